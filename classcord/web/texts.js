// The texts of the pages, in French and in English.

/** @typedef {"fr" | "en"} Language */

/** @type {Record<string, [french: string, english: string]>} */
export const TEXTS = {
	skip: ["Aller à la discussion", "Skip to the talk"],
	language: ["Langue", "Language"],
	invite: ["Inviter", "Invite"],
	inviteTitle: ["Inviter quelqu'un", "Invite somebody"],
	copy: ["Copier", "Copy"],
	copied: ["Copié.", "Copied."],
	copyFailed: ["Copiez-la avec Ctrl+C.", "Copy it with Ctrl+C."],
	onlyHere: [
		"Cette adresse ne marche que sur cette machine : ouvrez la page par celle du réseau.",
		"This address works only on this machine: open the page by that of the network.",
	],
	codeOf: ["Code QR de l'adresse {address}", "QR code of the address {address}"],
	close: ["Fermer", "Close"],
	leave: ["Sortir", "Leave"],
	cable: ["Le câble", "The wire"],

	cableOthers: ["Mes autres connexions (mon client Java…)", "My other connections (my Java client…)"],
	cableUser: ["ou, pour un enseignant, celles de", "or, for a teacher, those of"],
	cableWatch: ["Regarder", "Watch"],
	cableWatched: ["On regarde aussi : {name}", "Also watched: {name}"],
	cableShow: ["Montrer", "Show"],
	cableAll: ["tout", "all"],
	cableSent: ["→ vers le serveur", "→ to the server"],
	cableGot: ["← du serveur", "← from the server"],
	cableRefused: ["les refus", "refusals"],
	cableWith: ["qui contient", "that has"],
	cableClear: ["Effacer", "Clear"],
	cableText: ["Ligne à envoyer telle quelle", "Line to send as typed"],
	cableHere: ["cette page", "this page"],
	cableEnd: ["fin de la connexion : {why}", "end of the connection: {why}"],
	cableLeftOut: ["{count} lignes n'ont pas pu être montrées.", "{count} lines could not be shown."],
	bytes: ["{size} o", "{size} B"],

	board: ["Le tableau", "The board"],
	boardRefused: ["Ce compte n'est pas celui d'un enseignant.", "This account is not that of a teacher."],
	class: ["La classe", "The class"],
	announcement: ["Annonce à tous", "Announcement to all"],
	announce: ["Annoncer", "Announce"],
	slow: ["Mode lent : secondes entre deux messages", "Slow mode: seconds between two messages"],
	slowNow: ["en ce moment : {seconds} s", "now: {seconds} s"],
	change: ["Changer", "Change"],
	silence: ["Silence", "Silence"],
	newClass: ["Nouvelle classe…", "New class…"],
	newClassSure: [
		"Nouvelle classe ? Après une sauvegarde, les messages sont effacés et tout le monde est déconnecté.",
		"A new class? After a backup the messages are deleted and everybody is disconnected.",
	],
	keepAccounts: ["Garder les comptes", "Keep the accounts"],
	reason: ["Motif (montré à la personne)", "Reason (shown to the person)"],
	yes: ["Oui", "Yes"],
	no: ["Non", "No"],
	done: ["C'est fait.", "Done."],
	audit: ["Ce qu'ont fait les enseignants", "What teachers have done"],
	address: ["Adresse", "Address"],
	addresses: ["Adresses à donner", "Addresses to hand out"],
	connections: ["Connexions", "Connections"],
	perMinute: ["Messages par minute", "Messages a minute"],
	outboxes: ["Files d'attente", "Outboxes"],
	outboxesNow: ["{clients} clients, {bytes} octets", "{clients} clients, {bytes} bytes"],
	storage: ["Enregistrement", "Storage"],
	storageGood: ["bon, {size} Mo", "good, {size} MB"],
	storageFailing: ["⚠ en panne : {unsaved} messages en attente", "⚠ failing: {unsaved} messages wait"],
	limits: ["Limites atteintes", "Limits that bit"],
	version: ["Version", "Version"],
	uptime: ["En marche depuis", "Up for"],
	plot: [
		"Messages des dix dernières minutes : {most} au plus en 10 s, {now} à l'instant",
		"Messages of the last ten minutes: at most {most} in 10 s, {now} just now",
	],
	state: ["État", "State"],
	client: ["Client", "Client"],
	since: ["Depuis", "Since"],
	lastRefused: ["Dernier refus", "Last refusal"],
	actions: ["Actions", "Actions"],
	kind_teacher: ["enseignant", "teacher"],
	kind_account: ["compte", "account"],
	kind_guest: ["invité", "guest"],
	mutedFor: ["muet encore {time}", "muted for {time}"],
	waiting: ["{size} octets en attente", "{size} bytes wait"],
	mute: ["Muet", "Mute"],
	unmute: ["Rendre la parole", "Unmute"],
	kick: ["Déconnecter", "Kick"],
	ban: ["Exclure", "Ban"],
	close_channel: ["Fermer {channel}", "Close {channel}"],
	open_channel: ["Rouvrir {channel}", "Open {channel} again"],

	enterAs: ["Comment entrer ?", "How do you come in?"],
	guest: ["Invité, sans compte", "As a guest, without an account"],
	account: ["J'ai un compte", "I have an account"],
	newAccount: ["Créer un compte", "Create an account"],
	name: ["Nom", "Name"],
	password: ["Mot de passe", "Password"],
	inClear: [
		"Sans TLS, le mot de passe passe en clair sur le réseau : n'en prenez pas un qui sert ailleurs.",
		"Without TLS the password travels in clear over the network: do not take one that you use elsewhere.",
	],
	enter: ["Entrer", "Come in"],

	connecting: ["Connexion au serveur…", "Connecting to the server…"],
	connected: ["Connecté : {name}", "Connected: {name}"],
	cutOff: [
		"Pas de connexion : serveur arrêté ou plein ? Nouvel essai dans {seconds} s ; ce qui se dit entre-temps reviendra.",
		"No connection: is the server stopped or full? Next try in {seconds} s; what is said meanwhile will come.",
	],
	ended: ["Vous n'êtes plus connecté. {why}", "You are not connected any longer. {why}"],
	comeBack: ["Se reconnecter", "Connect again"],
	notConnected: ["Pas de connexion : rien n'est envoyé.", "No connection: nothing is sent."],

	places: ["Discussions", "Conversations"],
	channels: ["Canaux", "Channels"],
	exchanges: ["Messages privés", "Private messages"],
	noExchange: ["Choisissez une personne parmi les présents.", "Choose one of the people here."],
	join: ["Rejoindre", "Join"],
	joinLabel: ["Canal à rejoindre ou à créer", "Channel to join or to make"],
	leaveChannel: ["Quitter le canal", "Leave the channel"],
	notJoined: ["à rejoindre", "to join"],
	members: ["présents : {count}", "here: {count}"],
	unread: ["non lus : {count}", "unread: {count}"],
	topic: ["Sujet : {topic}", "Topic: {topic}"],
	people: ["Présents", "Here"],
	you: ["vous", "you"],
	myState: ["Mon état", "My state"],
	online: ["en ligne", "online"],
	away: ["absent", "away"],
	dnd: ["ne pas déranger", "do not disturb"],
	invisible: ["invisible", "invisible"],

	messages: ["Messages", "Messages"],
	newest: ["Aller au plus récent", "Go to the newest"],
	textLabel: ["Message à {place}", "Message to {place}"],
	everybody: ["tous (#général)", "everybody (#général)"],
	hint: [
		"Entrée envoie, Maj+Entrée va à la ligne ; / commande, @ nomme, Tab complète.",
		"Enter sends, Shift+Enter makes a new line; / is a command, @ a name, Tab completes.",
	],
	send: ["Envoyer", "Send"],
	options: ["Propositions", "Proposals"],
	optionsSaid: ["{count} propositions : flèches, puis Tab.", "{count} proposals: arrows, then Tab."],
	search: ["Chercher", "Search"],
	searchLabel: ["Chercher dans cette discussion", "Search in this conversation"],
	results: ["« {query} » : {count} trouvés", "\"{query}\": {count} found"],
	server: ["Serveur", "Server"],
	page: ["Cette page", "This page"],
	pending: ["en cours d'envoi…", "on its way…"],
	uncertain: ["envoyé juste avant la coupure…", "sent just before the cut…"],
	lost: ["n'est pas arrivé.", "did not arrive."],
	refused: ["refusé : {why}", "refused: {why}"],
	undelivered: ["n'a pas été remis.", "was not delivered."],
	again: ["Renvoyer", "Send again"],
	drop: ["Retirer", "Remove"],
	nothing: ["Aucun message.", "No message yet."],

	error: ["Le serveur a répondu : {text}", "The server answered: {text}"],
	error_login_failed: ["Nom inconnu ou mauvais mot de passe.", "Unknown name or wrong password."],
	error_name_exists: [
		"Ce nom, ou un nom trop proche, a déjà un compte : connectez-vous ou prenez-en un autre.",
		"This name, or one too close to it, has an account already: log in, or take another one.",
	],
	error_invalid_name: ["Ce nom ne peut pas être pris : choisissez-en un autre.", "This name can't be taken: choose another one."],
	error_banned: ["Un enseignant vous exclut pour l'instant.", "A teacher bans you for now."],
	error_rate_limited: ["Trop vite ou trop souvent : attendez un peu.", "Too fast or too often: wait a little."],
	error_muted: ["vous ne pouvez pas écrire pour l'instant.", "you can't write for now."],
	error_unavailable: ["Le serveur ne peut rien enregistrer pour l'instant.", "The server can't store anything for now."],
	error_not_allowed: ["Cela ne vous est pas permis.", "You are not allowed to do that."],
	error_invalid_json: ["Ce n'est pas un objet JSON : {text}", "This is not a JSON object: {text}"],
	error_unknown_type: ["Ce type n'existe pas. Essayez help.", "There is no such type. Try help."],
};

/** The language of the page. @type {Language} */
export let language = "fr";

/** The language that was chosen here before, or that of the browser. @returns {Language} */
export function preferred() {
	let chosen = null;
	try {
		chosen = localStorage.getItem("language");
	} catch {
		// some browsers keep nothing
	}
	return (chosen ?? navigator.language).toLowerCase().startsWith("fr") ? "fr" : "en";
}

/** @param {Language} wanted @param {boolean} [keep] for the next time too */
export function speak(wanted, keep = false) {
	language = wanted;
	document.documentElement.lang = wanted;
	for (const node of document.querySelectorAll("[data-text]")) node.textContent = say(node.getAttribute("data-text") ?? "");
	for (const node of document.querySelectorAll("[data-label]")) {
		node.setAttribute("aria-label", say(node.getAttribute("data-label") ?? ""));
	}
	try {
		if (keep) localStorage.setItem("language", wanted);
	} catch {
		// as above
	}
}

/** The text with this name, with its values filled in. @param {string} name @param {Record<string, string | number>} [values] */
export function say(name, values = {}) {
	const text = TEXTS[name]?.[language === "fr" ? 0 : 1] ?? name;
	return text.replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ""));
}

/** An error of the server in plain words. @param {string} code @param {string} text of the server, if we have none */
export function explain(code, text) {
	const name = `error_${code}`;
	return say(name in TEXTS ? name : "error", { text });
}

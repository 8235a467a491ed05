// The texts of the page, in French and in English. Both tables have the same names: a test compares them.

/** @typedef {"fr" | "en"} Language */

/** @type {Record<Language, Record<string, string>>} */
export const TEXTS = {
  fr: {
    skip: "Aller à la discussion",
    language: "Langue",
    invite: "Inviter",
    inviteTitle: "Inviter quelqu'un",
    inviteText: "Qui ouvre cette adresse dans un navigateur arrive ici. Avec un téléphone du même réseau, visez le code.",
    address: "Adresse",
    copy: "Copier",
    copied: "Copié.",
    copyFailed: "Le navigateur ne copie pas : l'adresse est sélectionnée, copiez-la avec Ctrl+C.",
    onlyHere: "Cette adresse ne marche que sur cette machine. Ouvrez la page par l'adresse du serveur sur le réseau, puis invitez.",
    codeOf: "Code QR de l'adresse {address}",
    close: "Fermer",
    leave: "Sortir",
    cable: "Le câble",

    enterTitle: "Entrer dans la discussion",
    enterAs: "Comment entrer ?",
    guest: "Invité, sans compte",
    account: "J'ai un compte",
    newAccount: "Créer un compte",
    name: "Nom",
    password: "Mot de passe",
    inClear: "Attention : la connexion n'est pas chiffrée (pas de TLS). Le mot de passe passe en clair sur le réseau : "
      + "n'en prenez pas un qui sert ailleurs.",
    enter: "Entrer",

    connecting: "Connexion au serveur…",
    connected: "Connecté : {name}",
    connectedGuest: "Connecté : {name} (invité)",
    cutOff: "Connexion perdue. Nouvel essai dans {seconds} s ; ce qui a été dit entre-temps reviendra.",
    unreachable: "Le serveur ne répond pas. Nouvel essai dans {seconds} s.",
    ended: "Vous n'êtes plus connecté. {why}",
    comeBack: "Se reconnecter",
    notConnected: "Pas de connexion pour l'instant : rien n'est envoyé, votre texte reste là.",

    places: "Discussions",
    channels: "Canaux",
    exchanges: "Messages privés",
    noExchange: "Choisissez une personne dans la liste des présents.",
    join: "Rejoindre",
    joinLabel: "Nom d'un canal à rejoindre ou à créer",
    leaveChannel: "Quitter le canal",
    notJoined: "pas encore rejoint",
    members: "{count} présents",
    unread: "{count} non lus",
    topic: "Sujet : {topic}",
    people: "Présents",
    writeTo: "Écrire à {name}",
    you: "vous",
    myState: "Mon état",
    online: "en ligne",
    away: "absent",
    dnd: "ne pas déranger",
    invisible: "invisible",

    messages: "Messages",
    older: "Messages plus anciens",
    newest: "Aller au plus récent",
    textLabel: "Message à {place}",
    everybody: "tous (#général)",
    hint: "Entrée envoie, Maj+Entrée va à la ligne. / commence une commande, @ nomme quelqu'un ; Tab complète.",
    send: "Envoyer",
    options: "Propositions",
    optionsSaid: "{count} propositions ; flèches pour choisir, Tab pour compléter.",
    search: "Chercher",
    searchLabel: "Chercher dans cette discussion",
    results: "« {query} » : {count} messages trouvés",
    server: "Serveur",
    page: "Cette page",
    pending: "en cours d'envoi…",
    uncertain: "envoyé juste avant la coupure : vérification…",
    lost: "n'est pas arrivé.",
    refused: "refusé : {why}",
    undelivered: "n'a pas été remis.",
    again: "Renvoyer",
    drop: "Retirer",
    nothing: "Aucun message pour l'instant.",

    error: "Le serveur a répondu : {text}",
    error_login_failed: "Nom inconnu ou mauvais mot de passe.",
    error_name_exists: "Ce nom, ou un nom qui lui ressemble, a déjà un compte : connectez-vous, ou prenez-en un autre.",
    error_invalid_name: "Ce nom ne peut pas être pris : choisissez-en un autre.",
    error_banned: "Un enseignant ne vous laisse pas entrer pour l'instant.",
    error_server_full: "Le serveur est plein : trop de connexions. La page réessaie toute seule.",
    error_rate_limited: "C'est trop rapide ou trop souvent : attendez un peu.",
    error_muted: "vous ne pouvez pas écrire pour l'instant.",
    error_unavailable: "Le serveur ne peut rien enregistrer pour l'instant : réessayez plus tard.",
    error_not_allowed: "Cela ne vous est pas permis.",
    error_no_channel: "Ce canal n'existe pas, ou vous n'y êtes pas.",
    error_invalid_field: "Le serveur n'accepte pas cela.",
    error_invalid_text: "Un caractère de ce texte n'est pas permis.",
    error_missing_field: "Il manque quelque chose à cette demande.",
    error_not_named: "Il faut un compte pour cela.",
    error_internal: "Le serveur a fait une faute ; son journal la décrit.",
  },
  en: {
    skip: "Skip to the talk",
    language: "Language",
    invite: "Invite",
    inviteTitle: "Invite somebody",
    inviteText: "This address, opened in a browser, leads here. With a phone in the same network, scan the code.",
    address: "Address",
    copy: "Copy",
    copied: "Copied.",
    copyFailed: "The browser does not copy: the address is selected, copy it with Ctrl+C.",
    onlyHere: "This address works only on this machine. Open the page by the server's address in the network, then invite.",
    codeOf: "QR code of the address {address}",
    close: "Close",
    leave: "Leave",
    cable: "The wire",

    enterTitle: "Join the talk",
    enterAs: "How do you come in?",
    guest: "As a guest, without an account",
    account: "I have an account",
    newAccount: "Create an account",
    name: "Name",
    password: "Password",
    inClear: "Careful: the connection is not encrypted (no TLS). The password travels in clear over the network: "
      + "do not take one that you use elsewhere.",
    enter: "Come in",

    connecting: "Connecting to the server…",
    connected: "Connected: {name}",
    connectedGuest: "Connected: {name} (guest)",
    cutOff: "Connection lost. Next try in {seconds} s; what is said meanwhile will come.",
    unreachable: "The server does not answer. Next try in {seconds} s.",
    ended: "You are not connected any longer. {why}",
    comeBack: "Connect again",
    notConnected: "There is no connection for now: nothing is sent, and your text stays.",

    places: "Conversations",
    channels: "Channels",
    exchanges: "Private messages",
    noExchange: "Choose a person in the list of those who are here.",
    join: "Join",
    joinLabel: "Name of a channel to join or to make",
    leaveChannel: "Leave the channel",
    notJoined: "not joined yet",
    members: "{count} here",
    unread: "{count} unread",
    topic: "Topic: {topic}",
    people: "Here",
    writeTo: "Write to {name}",
    you: "you",
    myState: "My state",
    online: "online",
    away: "away",
    dnd: "do not disturb",
    invisible: "invisible",

    messages: "Messages",
    older: "Older messages",
    newest: "Go to the newest",
    textLabel: "Message to {place}",
    everybody: "everybody (#général)",
    hint: "Enter sends, Shift+Enter makes a new line. / begins a command, @ names somebody; Tab completes.",
    send: "Send",
    options: "Proposals",
    optionsSaid: "{count} proposals; arrows choose, Tab completes.",
    search: "Search",
    searchLabel: "Search in this conversation",
    results: "\"{query}\": {count} messages found",
    server: "Server",
    page: "This page",
    pending: "on its way…",
    uncertain: "sent just before the cut: checking…",
    lost: "did not arrive.",
    refused: "refused: {why}",
    undelivered: "was not delivered.",
    again: "Send again",
    drop: "Remove",
    nothing: "No message yet.",

    error: "The server answered: {text}",
    error_login_failed: "Unknown name or wrong password.",
    error_name_exists: "This name, or one that looks like it, has an account already: log in, or take another one.",
    error_invalid_name: "This name can't be taken: choose another one.",
    error_banned: "A teacher does not let you in for now.",
    error_server_full: "The server is full: too many connections. The page tries again by itself.",
    error_rate_limited: "That is too fast or too often: wait a little.",
    error_muted: "you can't write for now.",
    error_unavailable: "The server can't store anything for now: try again later.",
    error_not_allowed: "You are not allowed to do that.",
    error_no_channel: "This channel does not exist, or you are not in it.",
    error_invalid_field: "The server does not take that.",
    error_invalid_text: "A character of this text is not allowed.",
    error_missing_field: "Something is missing in this request.",
    error_not_named: "That needs an account.",
    error_internal: "The server made a fault; its log describes it.",
  },
};

/** The language of the page. @type {Language} */
export let language = "fr";

/** The language that was chosen here before, or that of the browser. @returns {Language} */
export function preferred() {
  let chosen = null;
  try {
    chosen = localStorage.getItem("language");
  } catch {
    // some browsers keep nothing: then the browser's language counts
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
  return (TEXTS[language][name] ?? name).replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ""));
}

/** An error of the server in plain words. @param {string} code @param {string} text of the server, for what has no words */
export function explain(code, text) {
  const name = `error_${code}`;
  return name in TEXTS[language] ? say(name) : say("error", { text });
}

// Names for the types of the page's modules, so that its comments can stay short. Each is defined where it belongs.

type Message = import("../../classcord/web/link.js").Message;
type Link = import("../../classcord/web/link.js").Link;
type Item = import("../../classcord/web/store.js").Item;
type Conversation = import("../../classcord/web/store.js").Conversation;
type Store = import("../../classcord/web/store.js").Store;
type Session = import("../../classcord/web/session.js").Session;
type Completion = import("../../classcord/web/words.js").Completion;

// Names for the types of the page's modules, so that its comments can stay short. Each is defined where it belongs.

type Message = import("../../classcord/web/link.js").Message;
type Link = import("../../classcord/web/link.js").Link;
type Item = import("../../classcord/web/store.js").Item;
type Place = import("../../classcord/web/store.js").Place;
type Store = import("../../classcord/web/store.js").Store;
type Session = import("../../classcord/web/session.js").Session;
type Completion = import("../../classcord/web/words.js").Completion;
type Person = { name: string; state: string };

/** What the server tells the board; docs/PROTOCOLE.md has the rest. */
type Board = Message & {
  addresses: string[];
  limits: Record<string, number>;
  minutes: number[];
  people: (Message & { name: string; channels: string[]; connections: Message[] })[];
  channels: Message[];
  audit: Message[];
};

/** What becomes of a question to the server. `rows`: the messages of a history, which come before its end. */
type Done = (answer: Message, rows: Message[]) => void;
type Failed = (code: string, text: string) => void;
type Identity = import("../../classcord/web/session.js").Identity;
type Command = import("../../classcord/web/words.js").Command;

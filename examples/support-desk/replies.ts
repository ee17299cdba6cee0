/** What the desk says. The first row of a team whose words occur in the ticket is taken; the last one always fits. */
import type { TEAMS } from "./agents.ts";

type Team = (typeof TEAMS)[number];

interface Row {
  readonly category: string;
  readonly words: RegExp;
  readonly text: string;
}

const row = (category: string, words: RegExp, text: string): Row => ({ category, words, text });

const ROWS: Readonly<Record<Team, readonly Row[]>> = {
  refunds: [
    row("double-charge", /twice|zweimal|two payments|identical|doppelt|billed/, "the amount was taken more than once."),
    row("damaged", /broken|crack|cassée|pieces|died|stopped|flicker/, "I am sorry that it reached you, or soon was, in this state."),
    row("late-delivery", /late|weeks|arriv|parcel|tracking/, "I am sorry for the trouble with the delivery."),
    row("return", /return|back|zurück|devol|terug/, "your return is noted."),
    row("refund", /./s, "your request is noted."),
  ],
  billing: [
    row(
      "invoice",
      /invoice|rechnung|factur|fattura|receipt/,
      "your invoice is in your account under Orders, and a corrected copy goes out by mail within a day.",
    ),
    row(
      "payment-failed",
      /declin|pending|bounce|mahnung|reserved/,
      "a reserved or pending amount is released by your bank within five working days; we see no open demand on our side.",
    ),
    row(
      "subscription",
      /plus\b|subscription|direct debit/,
      "you find the plan, its price and its payment method under Account, Harbor Plus.",
    ),
    row("price", /./s, "the price at checkout is the one that counts, and our accountants answer special cases within two days."),
  ],
  technical: [
    row("outage", /urgent|thirty|30 locks/, "please restart the hub by its switch now; an engineer has been called and watches your hub."),
    row(
      "firmware",
      /update|firmware|actualización|mise à jour|e17/,
      "please leave the device plugged in for an hour, then hold its button for ten seconds: the update is applied again.",
    ),
    row(
      "connectivity",
      /offline|wifi|wlan|pair|conecta|slow/,
      "please put the device on the 2.4 GHz band, restart the hub and pair it within one metre.",
    ),
    row(
      "hardware",
      /hot|buzz|flicker|batter|button|broken|fit\b/,
      "this sounds like the device itself. Please unplug it and send us its serial number: the warranty covers it.",
    ),
    row("how-to", /./s, "you find the setting in the app under Devices, the three dots, More."),
  ],
  account: [
    row(
      "security",
      /lagos|someone else/,
      "please change the password and end all sessions under Account, Security at once; your camera shows every viewer in its log.",
    ),
    row(
      "privacy",
      /gdpr|rgpd|personal data|supprimer|delete|löschen|newsletter/,
      "your request is with our privacy team, who answer within 30 days; you can start it yourself under Account, Privacy.",
    ),
    row(
      "login",
      /log ?in|passwor[td]|code|locked|verif|two-factor|sesión|accesso/,
      "a new link, valid for a day, can be asked for on the login page; the code can go to your mail address instead.",
    ),
    row("change-details", /./s, "you can change this yourself under Account, Details; we never do it on the word of an email."),
  ],
  triage: [
    row("spam", /seo|coins/, "no, thank you."),
    row("thanks", /thank|danke|merci|wonderful|no question/, "thank you for writing; it is read aloud at our desk."),
    row("other", /./s, "your message goes to the right person in the house, who writes back within two days."),
  ],
};

export function textFor(team: Team, words: string, refundedCents: number): { readonly category: string; readonly text: string } {
  const found = ROWS[team].find((candidate) => candidate.words.test(words));
  const { category, text } = found ?? { category: "other", text: "" };
  if (team !== "refunds") return { category, text };
  const outcome =
    refundedCents > 0
      ? `We have sent ${(refundedCents / 100).toFixed(2)} EUR back to your card; it takes three to five days.`
      : "A colleague decides about the refund today and writes to you.";
  return { category, text: `${text} ${outcome}` };
}

const GREETINGS: readonly (readonly [RegExp, string])[] = [
  [/\b(guten tag|bitte|ich|seit|danke)\b/, "Guten Tag,"],
  [/\b(bonjour|merci|mon|je|depuis)\b/, "Bonjour,"],
  [/\b(hola|por favor|desde|mi|quiero|me)\b.*\b(la|el|que)\b/s, "Hola,"],
  [/\b(goedemiddag|graag|niet|het)\b/, "Goedemiddag,"],
  [/\b(buongiorno|ho|avrei)\b/, "Buongiorno,"],
];

export const greetingFor = (words: string): string => GREETINGS.find(([pattern]) => pattern.test(words))?.[1] ?? "Hello,";

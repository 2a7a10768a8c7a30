// Who is signed in to these pages, and the ends of sessions: another's, or all of them.

import { call } from "./api.ts";
import { find, h } from "./dom.ts";
import { formatTime } from "./format.ts";
import type { SignedIn } from "./types.ts";

export function sessionsPanel(sessions: readonly SignedIn[], refresh: () => Promise<void>): HTMLElement {
  const own = find("#signed-in", HTMLElement).dataset["session"];
  return h(
    "section",
    { class: "panel", id: "sessions" },
    h("h3", {}, "Signed in"),
    h("ul", {}, ...sessions.map((session) => h("li", {}, ...entry(session, session.id === own, refresh)))),
    h("p", {}, h("button", { type: "button", class: "danger", onclick: signOutEverywhere }, "Sign out everywhere")),
  );
}

function entry(session: SignedIn, isOwn: boolean, refresh: () => Promise<void>): (Node | string)[] {
  const what = `${session.name}, since ${formatTime(session.created_at)}`;
  if (isOwn) return [`${what} (this one)`];
  const onclick = async () => {
    await call(`/v1/sessions/${session.id}`, { method: "DELETE" });
    await refresh();
  };
  const button = h("button", { type: "button", class: "quiet", "aria-label": `Sign out ${what}`, onclick }, "Sign out");
  return [`${what} `, button];
}

async function signOutEverywhere(): Promise<void> {
  await call("/v1/sessions", { method: "DELETE" });
  location.assign("/dashboard");
}

// Who is signed in to these pages, with buttons that end one session or all.

import type { VNode } from "preact";
import { call } from "./api.ts";
import { find } from "./dom.ts";
import { formatTime } from "./format.ts";
import { Panel, action, button } from "./parts.tsx";
import type { SignedIn } from "./types.ts";
import { refresh } from "./view.tsx";

export function sessionsPanel(sessions: readonly SignedIn[]): VNode {
  const own = find("#signed-in", HTMLElement).dataset["session"];
  const signOut = async ({ id }: SignedIn) => {
    await call("DELETE", `/v1/sessions/${id}`);
    await refresh();
  };
  return (
    <Panel title="Signed in">
      <ul>
        {sessions.map((session) => {
          const name = `${session.name}, since ${formatTime(session.created_at)}`;
          return session.id === own ? (
            <li>{name} (this one)</li>
          ) : (
            <li>
              {name} {action("Sign out", name, () => signOut(session))}
            </li>
          );
        })}
      </ul>
      <p>{button("Sign out everywhere", signOutEverywhere, "danger")}</p>
    </Panel>
  );
}

async function signOutEverywhere(): Promise<void> {
  await call("DELETE", "/v1/sessions");
  location.assign("/dashboard");
}

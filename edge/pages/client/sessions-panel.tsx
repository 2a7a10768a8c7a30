// Who is signed in to these pages, and the ends of sessions: another's, or all of them.

import type { VNode } from "preact";
import { call } from "./api.ts";
import { find } from "./dom.ts";
import { formatTime } from "./format.ts";
import { Panel } from "./parts.tsx";
import type { SignedIn } from "./types.ts";
import type { Refresh } from "./view.ts";

interface SessionsProps {
  readonly sessions: readonly SignedIn[];
  readonly refresh: Refresh;
}

export function SessionsPanel({ sessions, refresh }: SessionsProps): VNode {
  const own = find("#signed-in", HTMLElement).dataset["session"];
  const signOut = async ({ id }: SignedIn) => {
    await call(`/v1/sessions/${id}`, { method: "DELETE" });
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
              {name}{" "}
              <button type="button" class="quiet" aria-label={`Sign out ${name}`} onClick={() => void signOut(session)}>
                Sign out
              </button>
            </li>
          );
        })}
      </ul>
      <p>
        <button type="button" class="danger" onClick={() => void signOutEverywhere()}>
          Sign out everywhere
        </button>
      </p>
    </Panel>
  );
}

async function signOutEverywhere(): Promise<void> {
  await call("/v1/sessions", { method: "DELETE" });
  location.assign("/dashboard");
}

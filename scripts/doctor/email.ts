// Sends one e-mail as the Worker does: by the same code, with the same three settings from the environment.

import { emailConfig } from "../../edge/notices/settings.ts";
import { type Send, emailSink } from "../../edge/notices/sinks.ts";
import { type Finding, fault, well } from "./finding.ts";

const SETTINGS = ["EMAIL_API_URL", "EMAIL_API_KEY", "EMAIL_FROM"] as const;

export async function examineEmail(
  to: string,
  environment: Readonly<Record<string, string | undefined>>,
  send: Send,
): Promise<Finding[]> {
  const given = Object.fromEntries(
    SETTINGS.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]] as const])),
  );
  const sink = emailSink(emailConfig(given), to, send);
  if (sink === undefined) {
    const missing = SETTINGS.filter((name) => !given[name]);
    const what = missing.length === 0 ? "EMAIL_API_URL is no URL" : `${missing.join(", ")} not in the environment`;
    return [fault(`no e-mail is sent: ${what}`, "Set all three as the Worker has them (docs/operating.md).")];
  }
  const summary = "A test of this deployment's e-mail";
  const outcome = await sink.deliver({ id: `evt_${crypto.randomUUID()}`, type: "test", body: "", summary }, Date.now());
  if (outcome.kind === "delivered") return [well(`the mail service took a message to ${to} (${outcome.detail})`)];
  const cure = "401 or 403: EMAIL_API_KEY. 4xx: EMAIL_FROM must be an address that the service lets this key use.";
  return [fault(`the mail service did not take a message: ${outcome.detail}`, cure)];
}

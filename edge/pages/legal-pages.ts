// GET /terms, /privacy, /contact: plain defaults in the operator's name. They agree with docs/storage.md on stored
// data, and name another company's service only where this deployment uses it.

import { html } from "hono/html";
import type { Config } from "../settings.ts";
import type { Html, Page } from "./layout.ts";

type Legal = Pick<
  Config,
  "OPERATOR_NAME" | "OPERATOR_ADDRESS" | "CONTACT_EMAIL" | "STRIPE_SECRET_KEY" | "GITHUB_CLIENT_ID" | "EMAIL_API_URL"
>;

export function termsPage(config: Legal): Page {
  return page("Terms", "On what terms this API is offered.", [
    [
      "Who",
      html`${operator(config)} offers this API. By using a key you accept these terms, for yourself or for whom you act.`,
    ],
    [
      "Credit and charges",
      html`The service is prepaid, in US dollars. A call is charged when its result has been computed and received by
        us, at the price in force then (<a href="/models">prices</a>); a batch at the prices of the day it was created.
        A call that fails is never charged. Usage and ledger agree to the nano-dollar and can be read and exported at
        any time. Free credit has no cash value. Paid credit that is not used is paid back on request, less what was
        charged.`,
    ],
    [
      "What you send and get",
      html`Your texts and your vectors stay yours. You may send only what you may lawfully send. Each model is under the
      licence that its page names.`,
    ],
    [
      "Use",
      html`Keep keys secret; report one that leaked. Do not try to read other accounts, to get around limits, or to harm
      the service. An account that does may be suspended; its credit is not forfeited by that alone.`,
    ],
    [
      "Service",
      html`<a href="/status">How it is and was</a> is public. There is no promise of availability beyond what the law
        demands, unless agreed in writing; liability beyond intent and gross negligence is limited to what you paid in
        the twelve months before.`,
    ],
    [
      "Changes and the end",
      html`Changes are announced here before they are in force. You can delete your account at any time.`,
    ],
  ]);
}

export function privacyPage(config: Legal): Page {
  return page("Privacy", "What is stored where, for how long, and who gets it.", [
    ["Who is responsible", html`${operator(config)}. ${contact(config)}`],
    [
      "Your texts",
      html`No text of a call is stored or logged. It goes from Cloudflare, which runs the API, to our own machines,
      which compute the vectors and keep nothing. The one place where texts are stored are files that you upload for
      batches, and what batches make of them: encrypted under a key of each file, until you delete them, at the latest
      after 30 days.`,
    ],
    [
      "What is kept",
      html`<div class="table-scroll" tabindex="0" role="region" aria-label="What is kept">
        <table class="data">
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">Where</th>
              <th scope="col">How long</th>
            </tr>
          </thead>
          <tbody>
            ${KEPT.map(
              ([what, where, life]) =>
                html`<tr>
                  <td>${what}</td>
                  <td>${where}</td>
                  <td>${life}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`,
    ],
    [
      "Who else is involved",
      html`<ul>
        <li>Cloudflare, Inc.: runs the API and holds what is stored.</li>
        <li>Whoever runs the machines on which we compute vectors: texts pass through them and are not kept.</li>
        ${
          config.STRIPE_SECRET_KEY === undefined
            ? ""
            : html`<li>
                Stripe: takes card payments; we see no card number, and keep Stripe’s name of the customer and card.
              </li>`
        }
        ${
          config.GITHUB_CLIENT_ID === undefined
            ? ""
            : html`<li>
                GitHub, if you sign in with it: tells us your number there, login, and verified e-mail address.
              </li>`
        }
        ${config.EMAIL_API_URL === undefined ? "" : html`<li>A mail service: delivers the alerts that you switch on.</li>`}
        <li>The receivers of webhooks that you set up yourself.</li>
      </ul>`,
    ],
    [
      "Your rights",
      html`Read and take along everything of your account with <code>GET /v1/account/export</code>; delete it with
        <code>DELETE /v1/account</code> or in the <a href="/dashboard">dashboard</a>. Ask us for anything else:
        ${contact(config)}`,
    ],
  ]);
}

/** The table of docs/storage.md. */
const KEPT: readonly (readonly [what: string, where: string, life: string])[] = [
  ["Name and e-mail address of the account", "account object, directory", "until the account is deleted"],
  [
    "Keys: name, rights, a keyed hash of the secret, never the secret",
    "account object",
    "until revoked; then the newest 200",
  ],
  ["Ledger, usage per minute, hour, day and month, by key and model", "account object", "until the account is deleted"],
  [
    "Acts on the account and by the operator, with the operator’s address",
    "account object, directory",
    "for the books, also after deletion",
  ],
  ["Answers under an Idempotency-Key: vectors, a keyed hash of the body", "account object", "24 hours"],
  ["Cached vectors under keyed hashes that name neither text nor account", "Cloudflare’s cache; KV", "a day; 30 days"],
  ["Uploaded files and batch results, encrypted", "R2", "until deleted, at most 30 days"],
  [
    "Request lines: id, route, status, account, tokens, times; no text, key or address",
    "Workers Logs",
    "as long as Cloudflare keeps them",
  ],
  [
    "Who signed in by GitHub: its number, and the account’s id",
    "directory",
    "for good, so that free credit is given once",
  ],
  ["Who asked for a model: a keyed hash", "directory", "until emptied"],
  ["A session: a sealed cookie in your browser", "your browser, account object", "7 days"],
  ["A deleted account: id and sums, without name and address", "directory", "for the books"],
];

export function contactPage(config: Legal): Page {
  return page("Contact", "Who runs this, and how to reach them.", [
    [
      "Operator",
      html`${operator(config)}${config.OPERATOR_ADDRESS === undefined ? "" : html`, ${config.OPERATOR_ADDRESS}`}.`,
    ],
    ["Write", html`${contact(config)} With the <code>x-request-id</code> of a call we find what happened to it.`],
    [
      "A leaked key, a weakness",
      html`<code>POST /v1/keys/report-leak</code> revokes a key at once, whoever sends it. For weaknesses:
        <a href="/.well-known/security.txt">security.txt</a>.`,
    ],
  ]);
}

/** By RFC 9116; undefined without a contact address. */
export function securityTxt(config: Legal, origin: string, nowMs: number): string | undefined {
  if (config.CONTACT_EMAIL === undefined) return undefined;
  const expires = new Date(nowMs + SECURITY_TXT_LIFE_MS).toISOString().slice(0, 10);
  return [
    `Contact: mailto:${config.CONTACT_EMAIL}`,
    `Expires: ${expires}T00:00:00.000Z`,
    "Preferred-Languages: en",
    `Canonical: ${origin}/.well-known/security.txt`,
    "",
  ].join("\n");
}
/** Less than a year, as the RFC recommends, from the time of each answer. */
const SECURITY_TXT_LIFE_MS = 180 * 86_400_000;

/** Crawlers may read the pages, but not the API or what needs a session. */
export const ROBOTS_TXT = [
  "User-agent: *",
  "Disallow: /v1/",
  "Disallow: /v2/",
  "Disallow: /admin",
  "Disallow: /dashboard",
  "",
].join("\n");

function operator({ OPERATOR_NAME: name }: Legal): Html {
  return html`${name ?? "The operator of this deployment (its name is not filled in)"}`;
}

function contact({ CONTACT_EMAIL: email }: Legal): Html {
  if (email === undefined) return html`No address to write to is filled in.`;
  return html`<a href="mailto:${email}">${email}</a>.`;
}

function page(title: string, description: string, sections: readonly (readonly [title: string, text: Html])[]): Page {
  return {
    title,
    description,
    section: "home",
    body: html`<h1>${title}</h1>
      ${sections.map(
        ([heading, text]) =>
          html`<section>
            <h2>${heading}</h2>
            <div>${text}</div>
          </section>`,
      )}`,
  };
}

// The public API for a signed-in page: the same paths under /dashboard/api, where the Worker adds the session's key
// (edge/session/proxy.ts). The answers are our own, so their shapes are not checked.

export const API = "/dashboard/api";

/** An error of the API; its message is for people. */
export class ApiFault extends Error {
  override name = "ApiFault";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface ApiAnswer<Body> {
  readonly body: Body;
  readonly headers: Headers;
}

type Method = "GET" | "POST" | "PATCH" | "PUT" | "DELETE";

/** Calls `path` (`/v1/keys`). Throws ApiFault; where the session is over, goes to the sign-in. */
export async function call<Body>(method: Method, path: string, body?: object): Promise<ApiAnswer<Body>> {
  const response = await fetch(API + path, {
    method,
    headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status === 401) location.assign("/dashboard");
  if (!response.ok) throw await faultOf(response);
  const answer: Body = await response.json();
  return { body: answer, headers: response.headers };
}

/** GET; only the body. */
export async function get<Body>(path: string): Promise<Body> {
  return (await call<Body>("GET", path)).body;
}

const ABSENT: ReadonlySet<string> = new Set(["route_not_found", "insufficient_scope"]);

/** The same; undefined where the deployment has no such route or the session's key may not call it. */
export async function getIfThere<Body>(path: string): Promise<Body | undefined> {
  try {
    return await get<Body>(path);
  } catch (error) {
    if (error instanceof ApiFault && ABSENT.has(error.code)) return undefined;
    throw error;
  }
}

async function faultOf(response: Response): Promise<ApiFault> {
  try {
    const { error }: { error: { code: string; message: string } } = await response.json();
    // The link to the errors page is for readers of a log.
    return new ApiFault(response.status, error.code, error.message.replace(/ See http\S+$/, ""));
  } catch {
    return new ApiFault(response.status, "unreadable", `The server answered ${response.status}.`);
  }
}

/** A sentence for people about `error`. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiFault) return error.message;
  return error instanceof TypeError ? "The server could not be reached." : "Something failed in this page.";
}

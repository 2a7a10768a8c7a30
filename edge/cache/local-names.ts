// Names of entries in an isolate's memory: a universal hash (Carter and Wegman 1979) of the text under keys that are derived
// from the cache's secret, where the shared tiers have an HMAC (key.ts). It needs no promise, and a third of the time. It is
// no signature: who sees names may forge others, so a name never leaves the isolates.
//
// A name is three lanes, each head + length · key + Σ unit · key modulo a prime, with the keys shifted by one from lane to
// lane. For who does not know the keys, two texts have the same name with a chance of p⁻³, about 2⁻⁹⁶. The head is an HMAC of
// all that an entry belongs to besides its text. Names are the same in every isolate, and any of their digits are as good as
// random.

import { LRUCache } from "lru-cache";
import type { CallText } from "../lib/call-text.ts";
import { must } from "../../shared/assert.ts";
import type { CacheScope } from "./scope.ts";

/** The largest prime below 2^32. */
const PRIME = 4_294_967_291;
const LANES = 3;
/** In UTF-16 units; HKDF yields no keys for a longer one. A longer text has its shared name here too. */
const LENGTH_MAX = 2000;
/** The most digits of a token id, and a comma. */
const ID_LENGTH_MAX = 11;
/** A unit is below 2^16 and a key below 2^32: the sum of so many products is exact in a double. */
const EXACT_TERMS = 30;
/** Accounts, revisions and prefixes whose heads an isolate keeps. */
const HEADS_MAX = 2000;
const BITS = 32;

type Head = readonly [number, number, number];
type SharedNames = (scope: CacheScope, texts: readonly CallText[]) => Promise<readonly string[]>;

export class LocalNames {
  readonly #sharedNames: SharedNames;
  readonly #derived: Promise<Float64Array>;
  #keys: Float64Array | undefined;
  readonly #heads = new LRUCache<string, Head>({ max: HEADS_MAX });

  /** `sharedNames` names long texts, and what heads are made of. */
  constructor(secret: string, sharedNames: SharedNames) {
    this.#sharedNames = sharedNames;
    this.#derived = deriveKeys(secret);
  }

  /** The names of `texts` in their order, of hex digits: at once, unless the scope is new or a text is long. */
  of(scope: CacheScope, texts: readonly CallText[]): readonly string[] | Promise<readonly string[]> {
    const keys = this.#keys;
    if (keys === undefined) return this.#learn(scope, texts);
    const names: string[] = [];
    let kind: string | undefined;
    let head: Head | undefined;
    for (const text of texts) {
      if (kindOf(text) !== kind) {
        kind = kindOf(text);
        head = this.#heads.get(headKey(scope, kind));
      }
      const units = unitsOf(text);
      if (head === undefined || units === undefined) return this.#learn(scope, texts);
      names.push(nameOf(keys, head, units));
    }
    return names;
  }

  /** The same with what has to be waited for. */
  async #learn(scope: CacheScope, texts: readonly CallText[]): Promise<readonly string[]> {
    const keys = await this.#derived;
    this.#keys = keys;
    const long = texts.filter((text) => unitsOf(text) === undefined);
    const longNames = await this.#sharedNames(scope, long);
    const names: string[] = [];
    for (const text of texts) {
      const units = unitsOf(text);
      const name =
        units === undefined ? longNames[long.indexOf(text)] : nameOf(keys, await this.#headOf(scope, text), units);
      names.push(must(name, "every long text has a name"));
    }
    return names;
  }

  /** The head of `scope` and the kind of `text`: the shared name of an empty text there. */
  async #headOf(scope: CacheScope, text: CallText): Promise<Head> {
    const key = headKey(scope, kindOf(text));
    const known = this.#heads.get(key);
    if (known !== undefined) return known;
    const empty: CallText = text.kind === "text" ? { kind: "text", text: "" } : { ...text, ids: [] };
    const [name = ""] = await this.#sharedNames(scope, [empty]);
    const lane = (index: number): number => Number.parseInt(name.slice(index * 8, (index + 1) * 8), 16);
    const head: Head = [lane(0), lane(1), lane(2)];
    this.#heads.set(key, head);
    return head;
  }
}

async function deriveKeys(secret: string): Promise<Float64Array> {
  const material = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), "HKDF", false, [
    "deriveBits",
  ]);
  const info = new TextEncoder().encode("names of cache entries in memory");
  const salt = new Uint8Array();
  const count = LENGTH_MAX + LANES;
  const bits = await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, material, count * BITS);
  return Float64Array.from(new Uint32Array(bits));
}

function kindOf(text: CallText): string {
  if (text.kind === "text") return "text";
  return text.encoding === undefined ? "ids" : `ids ${text.encoding}`;
}

/** Nothing before the prefix has a line break. */
function headKey({ accountId, epoch, revision, prefix }: CacheScope, kind: string): string {
  return `${accountId}\n${epoch}\n${revision}\n${kind}\n${prefix}`;
}

/** What is hashed; undefined: it is too long. */
function unitsOf(text: CallText): string | undefined {
  if (text.kind === "text") return text.text.length <= LENGTH_MAX ? text.text : undefined;
  return text.ids.length * ID_LENGTH_MAX <= LENGTH_MAX ? text.ids.join(",") : undefined;
}

const words = new Uint32Array(LANES);
const bytes = new Uint8Array(words.buffer);

function nameOf(keys: Float64Array, [headA, headB, headC]: Head, units: string): string {
  const { length } = units;
  let a = headA + length * (keys[0] ?? 0);
  let b = headB + length * (keys[1] ?? 0);
  let c = headC + length * (keys[2] ?? 0);
  let index = 0;
  while (index < length) {
    a = reduced(a);
    b = reduced(b);
    c = reduced(c);
    for (const end = Math.min(length, index + EXACT_TERMS); index < end; index += 1) {
      const unit = units.charCodeAt(index);
      a += unit * (keys[index + 1] ?? 0);
      b += unit * (keys[index + 2] ?? 0);
      c += unit * (keys[index + 3] ?? 0);
    }
  }
  words[0] = residue(a);
  words[1] = residue(b);
  words[2] = residue(c);
  return bytes.toHex();
}

/** Congruent to `sum` and within two primes of zero: `%` of doubles takes as long as ten products. */
function reduced(sum: number): number {
  return sum - Math.floor(sum * (1 / PRIME)) * PRIME;
}

function residue(sum: number): number {
  const rest = sum % PRIME;
  return rest < 0 ? rest + PRIME : rest;
}

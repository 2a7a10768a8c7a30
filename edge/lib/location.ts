// Where an account's object should live: near who calls it first. An object stays where it was made; without a hint that
// is near whoever made it. Source: developers.cloudflare.com/durable-objects/reference/data-location.

import * as z from "zod";

export const LOCATIONS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const;
export type Location = (typeof LOCATIONS)[number];

const whereaboutsSchema = z.object({ continent: z.string(), longitude: z.coerce.number().optional() });

/** East of it lies the eastern half of North America, of Europe, and what is no longer the Middle East. */
const MERIDIANS = { NA: -100, EU: 16, AS: 60 } as const;

/** Of a request, by what Cloudflare says of it (`request.cf`). Undefined: nothing is known (local runtimes, Antarctica). */
export function locationOf(cf: object | undefined): Location | undefined {
  const { continent, longitude } = whereaboutsSchema.safeParse(cf).data ?? {};
  const east = (meridian: number): boolean => (longitude ?? meridian) >= meridian;
  switch (continent) {
    case "NA":
      return east(MERIDIANS.NA) ? "enam" : "wnam";
    case "EU":
      return east(MERIDIANS.EU) ? "eeur" : "weur";
    case "AS":
      return east(MERIDIANS.AS) ? "apac" : "me";
    case "SA":
      return "sam";
    case "OC":
      return "oc";
    case "AF":
      return "afr";
    default:
      return undefined;
  }
}

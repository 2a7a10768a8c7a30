// Where an account's object should live: near its first caller. An object stays where it was created; without a hint
// that is near its creator. Source: developers.cloudflare.com/durable-objects/reference/data-location.

import * as z from "zod";

export const LOCATIONS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const;
export type Location = (typeof LOCATIONS)[number];

const whereaboutsSchema = z.object({ continent: z.string(), longitude: z.coerce.number().optional() });

/** Longitudes: east of them are eastern North America, eastern Europe, and Asia without the Middle East. */
const MERIDIANS = { NA: -100, EU: 16, AS: 60 } as const;

/** The location of a request, from Cloudflare's `request.cf`. Undefined: unknown (local runtimes, Antarctica). */
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

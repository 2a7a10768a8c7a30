// docs/routes.md is written from the table of routes: `npx vitest run -u test/house/routes.test.ts`. Each line says which
// key the route takes, so that a reviewer sees every change of rights.
import { join } from "node:path";
import { expect, test } from "vitest";
import { TAGS } from "../../edge/openapi/operation.ts";
import type { Route } from "../../edge/routes/route.ts";
import { ROUTES } from "../../edge/routes/table.ts";
import { unreachable } from "../../shared/assert.ts";

const PAGE = join(import.meta.dirname, "../../docs/routes.md");

test("docs/routes.md has every route, and the key it takes", async () => {
  const sections = Object.entries(TAGS).map(([tag, about]) => {
    const rows = ROUTES.filter((route) => route.tag === tag).map(
      (route) => `| \`${route.method.toUpperCase()} ${route.path}\` | ${keyOf(route)} | ${route.summary} |\n`,
    );
    return `## ${tag}\n${about}\n\n| route | key | what |\n| --- | --- | --- |\n${rows.join("")}`;
  });
  await expect(`${HEAD}\n${sections.join("\n")}`).toMatchFileSnapshot(PAGE);
});

const HEAD = `# Routes

Written by \`test/house/routes.test.ts\` from \`edge/routes/table.ts\`: change that. Fields, answers and errors of each are in
\`/v1/openapi.json\` and \`/docs\`. Key: the scope that it must have; any key of an account; the operator's; none, or an optional
one that must then be in force.
`;

function keyOf(route: Route): string {
  switch (route.auth) {
    case "none":
    case "optional":
      return route.auth;
    case "key":
    case "call":
      return route.scope === "any" ? "any" : `\`${route.scope}\``;
    case "operator":
      return "the operator's";
    default:
      return unreachable(route);
  }
}

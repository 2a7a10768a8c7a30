// npm run embed -- CORPUS --out DIR [--url URL] [--model MODEL] [--yes] … Embeds a whole corpus (JSON Lines, CSV,
// Parquet) through the public API, with the key in GIGAROUTER_API_KEY; goes on where it stopped. docs/corpus-job.md.
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { main } = await import("./embed/main.ts");
process.exitCode = await main(process.argv.slice(2));

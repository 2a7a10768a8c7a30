// Prints the mixes as JSON, for peers that are not JavaScript.

import { MIXES } from "./mixes.ts";

process.stdout.write(JSON.stringify(MIXES));

// Whether float16 holds a checkpoint: texts that are known to give the largest activations go through the engine once.
// Residual streams peak at a text's first tokens, and "import …" is what the 8B sibling overflows on
// (QwenLM/Qwen3-Embedding#164); the fold keeps the stream finite, so what is looked for is whatever else can overflow.

import type { Engine } from "./types.ts";
import { NonFiniteVector, TextsFailed } from "./types.ts";

const IMPORTS = [
  "import",
  "import os",
  "import numpy as np",
  "import numpy as np\nimport pandas as pd\nimport torch\nfrom torch import nn\n",
  "import React, { useState } from 'react';\nimport './App.css';\n",
  "import java.util.List;\nimport java.util.Map;\n",
  'import (\n\t"fmt"\n\t"os"\n)\n',
  "from collections import defaultdict",
  "#include <stdio.h>\n#include <stdlib.h>\n",
  "using System;\nusing System.Collections.Generic;\n",
  "package main",
  "<!DOCTYPE html>\n<html>",
];

export const OVERFLOW_TEXTS: readonly string[] = [
  ...IMPORTS,
  IMPORTS.join("\n"),
  "import numpy as np\n".repeat(200),
  "a",
  "\n",
  "the ".repeat(500),
  "0".repeat(300),
];

/** `texts` once; where runs of `largeTokensMin` tokens have a form of their own, so often that they are such a run, and each alone. */
export function probeBatches(
  texts: readonly Int32Array[],
  largeTokensMin?: number,
): readonly (readonly Int32Array[])[] {
  if (largeTokensMin === undefined) return [texts];
  const tokens = texts.reduce((sum, text) => sum + text.length, 0);
  const times = Math.ceil(largeTokensMin / tokens);
  return [Array.from({ length: times }, () => texts).flat(), ...texts.map((text) => [text])];
}

/** How many of `texts` (token ids) the engine gives no finite vector for. Rejects as Engine.run does for other reasons. */
export async function countOverflows(engine: Pick<Engine, "run">, texts: readonly Int32Array[]): Promise<number> {
  try {
    await engine.run(texts);
    return 0;
  } catch (error) {
    const failures = error instanceof TextsFailed ? [...error.failures.values()] : [];
    if (failures.length === 0 || !failures.every((failure) => failure instanceof NonFiniteVector)) throw error;
    return failures.length;
  }
}

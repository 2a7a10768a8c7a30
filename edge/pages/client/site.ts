// On every page: a button that copies beside each piece of code.

import { copyButton } from "./dom.ts";

for (const block of document.querySelectorAll("[data-copy]")) {
  block.append(copyButton(() => block.querySelector("code")?.textContent ?? ""));
}
for (const line of document.querySelectorAll("[data-copy-inline]")) {
  const button = copyButton(() => line.querySelector("code")?.textContent ?? "");
  button.className = "quiet small";
  line.append(button);
}

// On every page: adds a copy button to each piece of code.

for (const block of document.querySelectorAll("[data-copy], [data-copy-inline]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  if (block.hasAttribute("data-copy-inline")) button.className = "quiet small";
  button.addEventListener("click", () => void copy(block, button));
  button.addEventListener("blur", () => (button.textContent = "Copy"));
  block.append(button);
}

async function copy(block: Element, button: HTMLButtonElement): Promise<void> {
  await navigator.clipboard.writeText(block.querySelector("code")?.textContent ?? "");
  button.textContent = "Copied";
}

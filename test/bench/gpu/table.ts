// What bench:gpu says at its end: tokens a second, a row a mode, a column a shape.

type Line = Readonly<Record<string, unknown>>;

export function tableOf(lines: readonly Line[]): string {
  const shapes = lines.filter(({ step }) => step === "shape");
  const names = [...new Set(shapes.map(({ shape }) => String(shape)))];
  const cell = (text: string): string => text.padStart(10);
  const rows = [...new Set(shapes.map(({ mode }) => String(mode)))].map((mode) => {
    const cells = names.map((name) => {
      const perSecond = shapes.find((line) => line["mode"] === mode && line["shape"] === name)?.["tokensPerSecond"];
      return cell(typeof perSecond === "number" ? String(perSecond) : "–");
    });
    return mode.padEnd(20) + cells.join("");
  });
  return [`${"tokens/s".padEnd(20)}${names.map(cell).join("")}`, ...rows].join("\n");
}

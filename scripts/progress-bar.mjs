// A bar that is redrawn on a terminal; elsewhere one line a tenth.
const BAR_WIDTH = 30;

/** Gives what is to be called with the fraction done, 0 to 1, and what is being done. */
export function progressBar() {
  let tenth = -1;
  return (fraction, what) => {
    if (process.stderr.isTTY) {
      const filled = Math.round(fraction * BAR_WIDTH);
      const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
      process.stderr.write(`\r${bar} ${String(Math.round(fraction * 100)).padStart(3)} % ${what.padEnd(24)}`);
      if (fraction === 1) process.stderr.write("\n");
    } else if (Math.floor(fraction * 10) > tenth) {
      tenth = Math.floor(fraction * 10);
      process.stderr.write(`${Math.round(fraction * 100)} % ${what}\n`);
    }
  };
}

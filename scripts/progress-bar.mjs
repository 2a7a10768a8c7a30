// A progress bar that is redrawn on a terminal; elsewhere a line for each tenth.
const BAR_WIDTH = 30;

/** Returns a function that takes the finished fraction, 0 to 1, and a word for the current work. */
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

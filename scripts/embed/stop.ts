// Why a job ends before its end: words for who runs it. What was done is kept, and the same command goes on.

export class Stop extends Error {
  override name = "Stop";
}

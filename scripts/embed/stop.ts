// Why a job ends early, in words for the person who runs it. Finished work is kept, and the same command continues.

export class Stop extends Error {
  override name = "Stop";
}

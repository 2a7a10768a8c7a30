// The one error for everything that is wrong with a checkpoint folder: one clear sentence that names the file and says
// what would be right, so that the start can print it and end.

export class CheckpointError extends Error {
  override name = "CheckpointError";
}

// The result of an examination: a sentence, and a cure unless all is well.

export type Finding =
  | { readonly kind: "well"; readonly what: string }
  /** Works, but somebody may want to know. */
  | { readonly kind: "note"; readonly what: string; readonly cure: string }
  /** Does not work, or will not. */
  | { readonly kind: "fault"; readonly what: string; readonly cure: string };

export const well = (what: string): Finding => ({ kind: "well", what });
export const note = (what: string, cure: string): Finding => ({ kind: "note", what, cure });
export const fault = (what: string, cure: string): Finding => ({ kind: "fault", what, cure });

export type Examination = () => Finding[] | Promise<Finding[]>;

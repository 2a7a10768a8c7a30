// Labelled inputs of the dialogs' forms.

import type { LooseInputHTMLAttributes, VNode } from "preact";

interface FieldProps extends Omit<LooseInputHTMLAttributes, "label" | "name"> {
  readonly label: string;
  readonly name: string;
  /** A line under the input. */
  readonly help?: string;
  readonly isFull?: boolean;
}

/** All other props go to the input. */
export function Field({ label, help, isFull, name, ...others }: FieldProps): VNode {
  const id = `field-${name}`;
  // Preact has a type for each kind of input; here the caller chooses the kind.
  const attributes: object = others;
  return (
    <div class={isFull === true ? "full" : undefined}>
      <label for={id}>{label}</label>
      <input id={id} name={name} aria-describedby={help === undefined ? undefined : `${id}-help`} {...attributes} />
      {help !== undefined && (
        <span class="hint muted" id={`${id}-help`}>
          {help}
        </span>
      )}
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly name: string;
  readonly options: readonly (readonly [value: string, label: string])[];
  readonly chosen?: string;
}

export function Choice({ label, name, options, chosen }: ChoiceProps): VNode {
  const id = `field-${name}`;
  return (
    <div>
      <label for={id}>{label}</label>
      <select id={id} name={name}>
        {options.map(([value, text]) => (
          <option value={value} selected={value === chosen}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

interface CheckProps {
  readonly label: string;
  readonly name: string;
  readonly value?: string;
  readonly isChecked: boolean;
}

export function Check({ label, name, value, isChecked }: CheckProps): VNode {
  return (
    <label class="check">
      <input type="checkbox" name={name} value={value} defaultChecked={isChecked} />
      {label}
    </label>
  );
}

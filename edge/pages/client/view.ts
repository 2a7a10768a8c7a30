// A view of the dashboard: fills `body` and resolves when it shows something. What it throws is shown in its place.

export type View = (body: HTMLElement) => Promise<void>;

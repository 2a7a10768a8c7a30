// dashboard: see below.
export {};

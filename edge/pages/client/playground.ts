// playground: see below.
export {};

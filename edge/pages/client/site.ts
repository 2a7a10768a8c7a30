// On every page: nothing yet needs a script.
export {};

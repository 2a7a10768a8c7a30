// Tables of an object's SQLite that the first write creates, so that an account that does not need them pays nothing
// and an older account gets them. SQLite is asked once per instance whether they exist, and again after `forget`.

export class LazyTables {
  readonly #sql: SqlStorage;
  readonly #name: string;
  readonly #definitions: readonly string[];
  #isThere: boolean | undefined;

  /** `name`: any one of the tables, which are created together. `definitions`: `CREATE TABLE IF NOT EXISTS …`. */
  constructor(sql: SqlStorage, name: string, definitions: readonly string[]) {
    this.#sql = sql;
    this.#name = name;
    this.#definitions = definitions;
  }

  /** Drops what memory knows, because what is stored was deleted, rolled back or restored. */
  forget(): void {
    this.#isThere = undefined;
  }

  protected read<Row extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]): Row[] {
    return this.#isMade() ? this.#sql.exec<Row>(query, ...bindings).toArray() : [];
  }

  /** The column `body` of what `query` finds: JSON of our own, so it is trusted. */
  protected records<Kept>(query: string, ...bindings: SqlStorageValue[]): Kept[] {
    return this.read<{ body: string }>(query, ...bindings).map(({ body }) => {
      const kept: Kept = JSON.parse(body);
      return kept;
    });
  }

  /** Returns how many rows were written. */
  protected write(query: string, ...bindings: SqlStorageValue[]): number {
    if (!this.#isMade()) for (const definition of this.#definitions) this.#sql.exec(definition);
    const written = this.#sql.exec(query, ...bindings).rowsWritten;
    this.#isThere = true;
    return written;
  }

  #isMade(): boolean {
    const names = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";
    this.#isThere ??= this.#sql.exec(names, this.#name).toArray().length > 0;
    return this.#isThere;
  }
}

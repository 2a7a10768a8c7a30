// Tables of an object's SQLite that the first write makes, so that an account without them pays nothing and one that is
// older than they are gets them. Whether they are there is asked of SQLite once a life, and again after `forget`.

export class LazyTables {
  readonly #sql: SqlStorage;
  readonly #name: string;
  readonly #definitions: readonly string[];
  #isThere: boolean | undefined;

  /** `name`: one of the tables; they are made together. `definitions`: `CREATE TABLE IF NOT EXISTS …`. */
  constructor(sql: SqlStorage, name: string, definitions: readonly string[]) {
    this.#sql = sql;
    this.#name = name;
    this.#definitions = definitions;
  }

  /** What is stored may be other than what was written: it was deleted, rolled back, or came from a backup. */
  forget(): void {
    this.#isThere = undefined;
  }

  protected read<Row extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]): Row[] {
    return this.#isMade() ? this.#sql.exec<Row>(query, ...bindings).toArray() : [];
  }

  /** Answers how many rows were written. */
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

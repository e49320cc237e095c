/** Whether a logged statement does nothing but add, drop, rename or hide indexes: by its grammar alone, whatever table it names. */

import type { Token } from './sql-tokens.ts';

/**
 * True only for `ALTER TABLE t` with nothing but clauses on indexes, `CREATE INDEX` and `DROP INDEX`, of a kind that leaves rows, columns
 * and constraints alone. Not for unique, full-text and spatial indexes, those over expressions, primary keys, and what asks for
 * ALGORITHM=COPY, which writes the rows anew. Of an index that is dropped the text does not say what it was.
 */
export function isIndexStatement(tokens: readonly Token[]): boolean {
  return new IndexStatement(tokens).matches();
}

class IndexStatement {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  matches(): boolean {
    switch (true) {
      case this.#skip('ALTER'):
        this.#skip('ONLINE');
        return this.#skip('TABLE') && this.#table() && this.#clauses();
      case this.#skip('CREATE'):
        this.#skip('ONLINE');
        return this.#skip('INDEX') && this.#newIndex(true) && this.#isAtEnd;
      case this.#skip('DROP'):
        return this.#skip('INDEX') && this.#ifExists() && this.#name() && this.#skip('ON') && this.#table() && this.#options();
      default:
        return false;
    }
  }

  #clauses(): boolean {
    do {
      if (!this.#clause()) return false;
    } while (this.#skipSymbol(','));
    return this.#isAtEnd;
  }

  #clause(): boolean {
    if (this.#skip('ADD')) return this.#skipIndex() && this.#newIndex(false);
    if (this.#skip('DROP')) return this.#skipIndex() && this.#ifExists() && this.#name();
    if (this.#skip('RENAME')) return this.#skipIndex() && this.#name() && this.#skip('TO') && this.#name();
    if (this.#skip('ALTER')) return this.#skipIndex() && this.#ifExists() && this.#name() && this.#hides();
    return this.#how();
  }

  /** `[name] [USING BTREE] [ON t] (parts) options`. */
  #newIndex(isOnTable: boolean): boolean {
    if (this.#skip('IF') && !(this.#skip('NOT') && this.#skip('EXISTS'))) return false;
    if (!this.#isSymbol('(') && !this.#isKeyword('USING') && !this.#name()) return false;
    if (this.#skip('USING') && !this.#skip('BTREE')) return false;
    if (isOnTable && !(this.#skip('ON') && this.#table())) return false;
    return this.#parts() && this.#options();
  }

  /** `(name [(length)] [ASC | DESC], …)`; what stands in double parentheses is an expression. */
  #parts(): boolean {
    if (!this.#skipSymbol('(')) return false;
    do {
      if (!this.#name()) return false;
      if (this.#skipSymbol('(') && !(this.#skipKind('number') && this.#skipSymbol(')'))) return false;
      if (!this.#skip('ASC')) this.#skip('DESC');
    } while (this.#skipSymbol(','));
    return this.#skipSymbol(')');
  }

  /** Of an index, and of the statement as it ends with them; up to the end or the next clause. */
  #options(): boolean {
    while (!this.#isAtEnd && !this.#isSymbol(',')) {
      if (!this.#option()) return false;
    }
    return true;
  }

  #option(): boolean {
    if (this.#skip('USING')) return this.#skip('BTREE');
    if (this.#skip('COMMENT')) return this.#skipKind('string') || this.#skipKind('double');
    if (this.#skip('KEY_BLOCK_SIZE')) {
      this.#skipSymbol('=');
      return this.#skipKind('number');
    }
    return this.#hides() || this.#how();
  }

  #hides(): boolean {
    return (
      this.#skip('VISIBLE') || this.#skip('INVISIBLE') || this.#skip('IGNORED') || (this.#skip('NOT') && this.#skip('IGNORED'))
    );
  }

  #how(): boolean {
    if (this.#skip('ALGORITHM')) {
      this.#skipSymbol('=');
      return this.#skip('INPLACE') || this.#skip('DEFAULT') || this.#skip('NOCOPY') || this.#skip('INSTANT');
    }
    if (this.#skip('LOCK')) {
      this.#skipSymbol('=');
      return this.#skipKind('word');
    }
    if (this.#skip('WAIT')) return this.#skipKind('number');
    return this.#skip('NOWAIT');
  }

  #table(): boolean {
    if (!this.#ifExists() || !this.#name()) return false;
    if (this.#skipSymbol('.') && !this.#name()) return false;
    // MariaDB: how long to wait for the lock.
    while (this.#isKeyword('WAIT') || this.#isKeyword('NOWAIT')) if (!this.#how()) return false;
    return true;
  }

  #ifExists(): boolean {
    return !this.#skip('IF') || this.#skip('EXISTS');
  }

  /** Under ANSI_QUOTES, what is in double quotes is one, too; without, the server has refused it there. */
  #name(): boolean {
    return this.#skipKind('word') || this.#skipKind('name') || this.#skipKind('double');
  }

  #skipIndex(): boolean {
    return this.#skip('INDEX') || this.#skip('KEY');
  }

  get #isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  #isKeyword(keyword: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.kind === 'word' && token.value === keyword;
  }

  #isSymbol(symbol: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.kind === 'symbol' && token.text === symbol;
  }

  #skip(keyword: string): boolean {
    return this.#skipIf(this.#isKeyword(keyword));
  }

  #skipSymbol(symbol: string): boolean {
    return this.#skipIf(this.#isSymbol(symbol));
  }

  #skipKind(kind: Token['kind']): boolean {
    return this.#skipIf(this.#tokens[this.#at]?.kind === kind);
  }

  #skipIf(isThere: boolean): boolean {
    if (isThere) this.#at += 1;
    return isThere;
  }
}

import type { Context } from '../context.js';
import { InOrder } from '../io/in-order.js';
import { type Outcome, type UploadRow, uploadLine, uploadRecord, uploadTally } from './upload-row.js';

/** Prints results as they arrive, or at the end for `--json`. */
export class UploadReport {
  readonly #context: Context;
  readonly #single: boolean;
  readonly #all: boolean;
  readonly #counts = new Map<Outcome, number>();
  /** All rows, for `--json` only. */
  readonly #rows: UploadRow[] = [];
  readonly #lines: InOrder<UploadRow>;
  sentBytes = 0;

  /** @param all whether people see files that the server already has */
  constructor(context: Context, single: boolean, all: boolean) {
    this.#context = context;
    this.#single = single;
    this.#all = all;
    this.#lines = new InOrder((row) => context.out.one(uploadRecord(row), ({ id }) => id));
  }

  async add(index: number, row: UploadRow, size: number): Promise<void> {
    const { out } = this.#context;
    this.#counts.set(row.outcome, this.count(row.outcome) + 1);
    if (row.outcome === 'uploaded' || row.outcome === 'would upload') this.sentBytes += size;
    if (out.format === 'json') this.#rows[index] = row;
    else if (out.format !== 'human') await this.#lines.set(index, row);
    // `collectFailures` prints the reason of a failure.
    else if (row.outcome !== 'failed' && (row.outcome !== 'present' || this.#all)) this.#print(row);
  }

  #print(row: UploadRow): void {
    const { stdout } = this.#context.world;
    this.#context.out.write(uploadLine(row, stdout.isTTY ? stdout.columns || 80 : undefined));
  }

  flush(): Promise<void> {
    return this.#lines.flush();
  }

  count(outcome: Outcome): number {
    return this.#counts.get(outcome) ?? 0;
  }

  tally(dryRun: boolean): string {
    return uploadTally(this.#counts, dryRun);
  }

  async finish(): Promise<void> {
    await this.flush();
    const { out } = this.#context;
    if (out.format !== 'json') return;
    const [only] = this.#rows;
    if (!this.#single) return out.one(this.#rows.map(uploadRecord));
    if (only?.message !== undefined) out.warn(`${only.file}: ${only.outcome} (${only.message})`);
    if (only) await out.one(only.entity ?? uploadRecord(only));
  }
}

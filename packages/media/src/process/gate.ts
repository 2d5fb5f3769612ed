/** Lets at most `width` calls run at once and `depth` wait; one more is refused with what `full` makes. */
export class Gate {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  constructor(
    private readonly width: number,
    private readonly depth: number = Number.POSITIVE_INFINITY,
    private readonly full: () => Error = () => new Error('too much work is waiting'),
  ) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.width) {
      if (this.waiting.length >= this.depth) throw this.full();
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.running++;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      // The place goes to the next in line, so the count stays.
      if (next) next();
      else this.running--;
    }
  }
}

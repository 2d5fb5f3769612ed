/**
 * The loop that claims jobs: only jobs that can start, at once when one is queued, and now and then in any case.
 *
 * ```
 *           a job is queued, a slot is free, a task becomes available, or pollMs have passed
 *   waiting ----------------------------------------------------------------------------------> claiming
 *      ^                                                                                           |
 *      +-- no slot is free, the queue is empty, or this worker may not claim (permission.ts) ------+
 *                                                                                                  |
 *                                  units of jobs, each in a slot, to run-job.ts <------------------+
 * ```
 */
import { PRIORITY } from '@cl-server/contract';
import type { Claim, JobRepository } from '@cl-server/jobs';
import type { WakeSignal } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import type { AnyTask } from '@cl-server/task-kit';
import type { Availability } from './availability.js';
import type { Permission } from './permission.js';
import type { JobRunner, Unit } from './run-job.js';
import type { Slots, TaskDurations } from './slots.js';

export interface ClaimLoopParts {
  readonly workerId: string;
  readonly repository: Pick<JobRepository, 'claim' | 'fail'>;
  readonly availability: Availability;
  readonly slots: Slots;
  readonly runner: JobRunner;
  readonly permission: Pick<Permission, 'refusal'>;
  readonly durations: TaskDurations;
  readonly definition: (task: string) => AnyTask | undefined;
  /** Set when a job is queued, a slot is free or a task becomes available. */
  readonly wakeSignal: WakeSignal;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly logger: Logger;
}

/** For each of its own slots a worker leaves as much of a queue to a slot of another worker. */
const SLOTS_TO_SHARE_WITH = 2;

export class ClaimLoop {
  readonly #parts: ClaimLoopParts;
  /** Units that run, or whose results are being written. */
  readonly #running = new Set<Promise<void>>();
  #stopping = false;
  #loop: Promise<void> | undefined;

  constructor(parts: ClaimLoopParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /**
   * Claims nothing more and lets running jobs end; those that have not ended within `deadlineMs` are stopped and go back
   * to the queue.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#parts.wakeSignal.set();
    await this.#loop;
    const late = setTimeout(() => this.#parts.runner.drain(), deadlineMs);
    await Promise.all(this.#running);
    clearTimeout(late);
  }

  async #run(): Promise<void> {
    const { wakeSignal, pollMs, logger } = this.#parts;
    while (!this.#stopping) {
      try {
        if (!(await this.#claim())) await wakeSignal.wait(pollMs);
      } catch (error) {
        logger.error({ err: error }, 'could not claim jobs; trying again');
        await wakeSignal.wait(pollMs);
      }
    }
  }

  /** @returns whether there may be more to claim at once */
  async #claim(): Promise<boolean> {
    const { slots, availability, repository, workerId, leaseMs } = this.#parts;
    const offer = slots.offer(availability.ready);
    if (!offer) return false;
    if ((await this.#parts.permission.refusal()) !== undefined) return false;
    const { types, limit, interactiveOnly } = offer;
    const minPriority = interactiveOnly ? { minPriority: PRIORITY.interactive } : {};
    const claims = await repository.claim({ workerId, types, limit, leaseMs, ...minPriority });
    const thereMayBeMore = claims.length >= limit;
    for (const unit of this.#units(claims)) {
      // An interactive job does not wait for bulk work beside it, and an empty queue has nothing to add.
      const more = thereMayBeMore && !interactiveOnly ? await this.#fill(unit) : [];
      // A job that failed before may be what made others fail with it: it runs alone.
      const retried = more.filter(({ job }) => job.retry_count > 0);
      this.#begin({ ...unit, claims: [...unit.claims, ...more.filter((claim) => !retried.includes(claim))] });
      for (const claim of retried) this.#begin({ task: unit.task, claims: [claim], asBatch: false });
    }
    return thereMayBeMore;
  }

  /** Forms units: batches of a task that takes them, the other jobs one by one. */
  #units(claims: readonly Claim[]): readonly Unit[] {
    const units: { task: string; claims: Claim[]; asBatch: boolean }[] = [];
    for (const claim of claims) {
      const { task_type: task, retry_count } = claim.job;
      const size = this.#parts.definition(task)?.batch ?? 1;
      const asBatch = size > 1 && retry_count === 0;
      const open = asBatch && units.find((unit) => unit.asBatch && unit.task === task && unit.claims.length < size);
      if (open) open.claims.push(claim);
      else units.push({ task, claims: [claim], asBatch });
    }
    return units;
  }

  /** More jobs of the same task for a batch that is to start anyway, or for a slot whose jobs are short. */
  async #fill({ task, claims, asBatch }: Unit): Promise<readonly Claim[]> {
    const { repository, workerId, leaseMs, definition, durations, slots, logger } = this.#parts;
    const size = definition(task)?.batch ?? 1;
    // A job that failed before runs alone.
    const most = asBatch ? size : size > 1 || (claims[0]?.job.retry_count ?? 0) > 0 ? 1 : durations.chunkSize(task);
    const wanted = most - claims.length;
    if (wanted <= 0) return [];
    try {
      // A batch is worth more the fuller it is; a chunk of jobs that wait for each other is worse than an idle slot.
      const share = asBatch ? 1 : SLOTS_TO_SHARE_WITH * slots.concurrency;
      return await repository.claim({ workerId, types: { [task]: wanted }, limit: wanted, leaseMs, share });
    } catch (error) {
      logger.warn({ err: error, task }, 'could not claim more jobs of a task');
      return [];
    }
  }

  #begin(work: Unit): void {
    const { slots, runner, wakeSignal } = this.#parts;
    const release = slots.take(work.task);
    const leave = (): void => {
      if (release()) wakeSignal.set();
    };
    // The next unit begins while this one's results are written, unless the disk has fallen behind by as many already.
    const onFree = (): void => {
      if (this.#running.size <= 2 * slots.concurrency) leave();
    };
    const unit = runner.run(work, onFree).finally(() => {
      leave();
      this.#running.delete(unit);
    });
    this.#running.add(unit);
  }
}

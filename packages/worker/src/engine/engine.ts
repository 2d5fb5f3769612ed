/** The loop that claims jobs: only what can start, at once when one is queued, and now and then in any case. */
import { PRIORITY } from '@cl-server/contract';
import type { Claim, JobRepository } from '@cl-server/jobs';
import type { Logger } from '@cl-server/runtime';
import type { AnyTask } from '@cl-server/task-kit';
import type { Availability } from './availability.js';
import type { Bell } from './bell.js';
import type { Executor } from './executor.js';
import type { Slots } from './slots.js';

export interface EngineParts {
  readonly workerId: string;
  readonly repository: Pick<JobRepository, 'claim' | 'fail'>;
  readonly availability: Availability;
  readonly slots: Slots;
  readonly executor: Executor;
  readonly definition: (task: string) => AnyTask | undefined;
  /** Rung when a job is queued, a slot is free or a task becomes available. */
  readonly bell: Bell;
  readonly leaseMs: number;
  readonly pollMs: number;
  /** Told after each change of the slots. */
  readonly onSlots: () => void;
  readonly logger: Logger;
}

export class Engine {
  readonly #parts: EngineParts;
  readonly #units = new Set<Promise<void>>();
  #stopping = false;
  #loop: Promise<void> | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /**
   * Claims nothing more and lets running jobs end; what has not ended within `deadlineMs` is stopped and given back to
   * the queue.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#parts.bell.ring();
    await this.#loop;
    const late = setTimeout(() => this.#parts.executor.drain(), deadlineMs);
    await Promise.all(this.#units);
    clearTimeout(late);
  }

  async #run(): Promise<void> {
    const { bell, pollMs, logger } = this.#parts;
    while (!this.#stopping) {
      try {
        if (!(await this.#claim())) await bell.wait(pollMs);
      } catch (error) {
        logger.error({ err: error }, 'jobs could not be claimed; trying again');
        await bell.wait(pollMs);
      }
    }
  }

  /** @returns whether there may be more to claim at once */
  async #claim(): Promise<boolean> {
    const { slots, availability, repository, workerId, leaseMs } = this.#parts;
    const offer = slots.offer(availability.ready);
    if (!offer) return false;
    const { types, limit, interactiveOnly } = offer;
    const minPriority = interactiveOnly ? { minPriority: PRIORITY.interactive } : {};
    const claims = await repository.claim({ workerId, types, limit, leaseMs, ...minPriority });
    for (const unit of await this.#grouped(claims, !interactiveOnly)) this.#begin(unit);
    return claims.length >= limit;
  }

  /**
   * Jobs that run together: batches of a task that takes them, the others one by one.
   * @param fill whether batches may grow; an interactive job does not wait for bulk work beside it
   */
  async #grouped(claims: readonly Claim[], fill: boolean): Promise<readonly (readonly Claim[])[]> {
    const units: Claim[][] = [];
    const batches = new Map<string, Claim[]>();
    for (const claim of claims) {
      const { task_type, retry_count } = claim.job;
      // A job that failed before may be what made others fail with it: it goes alone.
      const size = retry_count > 0 ? 1 : (this.#parts.definition(task_type)?.batch ?? 1);
      const open = batches.get(task_type);
      if (size > 1 && open && open.length < size) open.push(claim);
      else {
        const unit = [claim];
        units.push(unit);
        if (size > 1) batches.set(task_type, unit);
      }
    }
    if (fill) for (const [task, unit] of batches) unit.push(...(await this.#fill(task, unit.length)));
    return units;
  }

  /** More jobs of the task for a batch that is to start anyway. */
  async #fill(task: string, have: number): Promise<readonly Claim[]> {
    const { repository, workerId, leaseMs, definition, logger } = this.#parts;
    const wanted = (definition(task)?.batch ?? 1) - have;
    if (wanted <= 0) return [];
    try {
      return await repository.claim({ workerId, types: { [task]: wanted }, limit: wanted, leaseMs });
    } catch (error) {
      logger.warn({ err: error, task }, 'a batch could not be filled');
      return [];
    }
  }

  #begin(claims: readonly Claim[]): void {
    const { slots, executor, bell, onSlots } = this.#parts;
    const [first] = claims;
    if (!first) return;
    const task = first.job.task_type;
    const release = slots.take(task);
    onSlots();
    const unit = executor.run(task, claims).finally(() => {
      release();
      onSlots();
      bell.ring();
      this.#units.delete(unit);
    });
    this.#units.add(unit);
  }
}

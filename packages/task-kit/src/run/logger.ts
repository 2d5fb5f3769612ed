/** Makes the logger of a task, which takes a message and fields in either order. */
import type { LogLine, TaskLogger } from '../context.js';

export type LogSink = (level: keyof TaskLogger, fields: object, message: string) => void;

const isFields = (value: unknown): value is object => typeof value === 'object' && value !== null;

export function createTaskLogger(sink: LogSink): TaskLogger {
  const line =
    (level: keyof TaskLogger): LogLine =>
    (...given: readonly unknown[]): void => {
      const subject = given.find(isFields) ?? {};
      const text = given.find((value) => value !== undefined && !isFields(value));
      const isError = subject instanceof Error;
      sink(level, isError ? { err: subject } : subject, String(text ?? (isError ? subject.message : '')));
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

/** A file ready to be sent. */
export interface FileBody {
  readonly name: string;
  readonly type: string;
  readonly size: number | undefined;
  /** Whether `open` can be called again, so that a failed upload can be repeated. */
  readonly repeatable: boolean;
  /** The bytes from the beginning. */
  open(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** The bytes from `start` up to `end`, where any place can be read: a resumable upload needs that. */
  read?(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The same as one object that the browser can send. */
  blob(signal?: AbortSignal): Promise<Blob>;
}

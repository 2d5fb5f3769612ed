/** The target of a download: a file that appears under its name only when it is complete. */
export interface FileSink {
  /** Bytes of an earlier, broken-off download of the same content (`etag`) that can be kept. */
  resumeAt(etag: string): Promise<number>;
  /** @param offset where to write on; what lies behind it is cut off */
  begin(offset: number, etag: string | undefined): Promise<void>;
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the file durable and gives it its name. */
  commit(): Promise<void>;
  /** Ends the attempt. What came so far stays for a later resume if the content has an ETag, else it goes. */
  suspend(): Promise<void>;
}

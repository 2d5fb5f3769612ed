/** Whether only this machine reaches a host; IPv6 with or without a URL's brackets. */
export const isLoopback = (host: string): boolean => ['127.0.0.1', '::1', '[::1]', 'localhost'].includes(host);

/** Whether only this machine reaches a host; IPv6 with or without a URL's brackets. */
export const isLoopback = (host: string): boolean => ['127.0.0.1', '::1', '[::1]', 'localhost'].includes(host);

/** Whether a peer's address is of this machine's loopback; IPv4 also in its IPv6 form. */
export const isLoopbackAddress = (address: string): boolean => address === '::1' || /^(?:::ffff:)?127\./i.test(address);

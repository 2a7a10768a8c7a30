// Whether an address may use a key: exact addresses and CIDR ranges, IPv4 and IPv6. An IPv4 address that arrives mapped
// into IPv6 is the IPv4 address.

import ipaddr from "ipaddr.js";

/** Whether `text` is an address or a CIDR range. */
export function isAddressRange(text: string): boolean {
  return ipaddr.isValidCIDR(text) || ipaddr.isValid(text);
}

/** Whether `address` is in one of `ranges`; an address that cannot be read is in none. */
export function isAddressAllowed(address: string, ranges: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const caller = ipaddr.process(address);
  return ranges.some((range) => {
    const [network, bits] = ipaddr.isValidCIDR(range) ? ipaddr.parseCIDR(range) : hostRange(range);
    return caller.kind() === network.kind() && caller.match(network, bits);
  });
}

function hostRange(address: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const host = ipaddr.process(address);
  return [host, host.kind() === "ipv4" ? 32 : 128];
}

// Computes only, no sockets: the platform's own matching of networks is better kept than one of ours.
import { BlockList, isIP, isIPv6 } from 'node:net'

/** Says whether an address may. */
export type Admission = (address: string) => boolean

function compile(list: readonly string[]): Admission {
  const networks = new BlockList()
  for (const entry of list) {
    const [network = '', prefix] = entry.split('/')
    const family = isIPv6(network) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) networks.addAddress(network, family)
    else networks.addSubnet(network, Number(prefix), family)
  }
  return (address) => {
    const zoneless = address.split('%', 1)[0] ?? ''
    const plain = /^::ffff:\d+\./i.test(zoneless) ? zoneless.slice(7) : zoneless
    const version = isIP(plain)
    return version !== 0 && networks.check(plain, version === 6 ? 'ipv6' : 'ipv4')
  }
}

const anybody: Admission = () => true

/** Who may publish: anybody where no list is set; a list that is set and empty admits nobody. */
export function ingestAdmission(list: readonly string[] | undefined): Admission {
  return list === undefined ? anybody : compile(list)
}

/** Whether an address lies in one of these networks; of none, none does. */
export function networkAdmission(list: readonly string[]): Admission {
  return compile(list)
}

/** Who may watch a preview or use a streaming endpoint: an empty list admits anybody. */
export function viewingAdmission(list: readonly string[]): Admission {
  return list.length === 0 ? anybody : compile(list)
}

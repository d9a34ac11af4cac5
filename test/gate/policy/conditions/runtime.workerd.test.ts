import { describe, expect, it } from 'vitest'
import { verdict } from './support.ts'

/** What differs between runtimes: time zones, regular expressions, text and numbers. */
describe('in workerd', () => {
  it.each<[string, boolean | string]>([
    ['now.getHours("Europe/Berlin") == 9', true],
    ['now.getHours("America/St_Johns") == 5 && now.getMinutes("America/St_Johns") == 0', true],
    ['now.getHours("+05:45") == 14', true],
    ['now.getDayOfWeek("Pacific/Kiritimati") == 1', true],
    ['now.getHours() == 8', true],
    ['now - timestamp("2026-01-05T08:00:00Z") == duration("30m")', true],
    ['inNetwork(request.ip, "10.0.0.0/8")', true],
    ['request.country.matches("^[A-Z]{2}$")', true],
    ['agent.actor.sub == "planner"', true],
    ['token.sub.size() == 5 && "docs:read" in agent.scopes', true],
    ['request.asn == 3320 && 2 * 3 == 6 && 7.0 / 2.0 == 3.5', true],
    ['token.none == 1', 'no_such_key'],
  ])('%s is %s', (source, expected) => {
    expect(verdict(source)).toBe(expected)
  })
})

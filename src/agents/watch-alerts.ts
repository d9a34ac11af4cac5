import type { Alert, AlertPage, AlertQuery } from '../core/model/watch.ts'
import type { Found } from './watch-signals.ts'

/** How many alerts of an issuer are kept, and for how long. */
const KEPT = { alerts: 1_000, ms: 90 * 86_400_000 }

/** The table of the alerts. */
export const ALERTS_TABLE =
  'CREATE TABLE IF NOT EXISTS alerts (id INTEGER PRIMARY KEY, issuer TEXT NOT NULL, alert TEXT NOT NULL, lesson TEXT NOT NULL);'

/** Alerts in SQLite. */
export function createAlertTable({ sql }: DurableObjectStorage) {
  type Row = { readonly id: number; readonly alert: string }
  const alertOf = ({ id, alert }: Row) => ({ ...JSON.parse(alert), id }) as Alert

  return {
    /** Stores an alert, and deletes the oldest alerts of its issuer. Those of other issuers stay. */
    add(alert: Omit<Alert, 'id'>, lesson: Found['lesson']): Alert {
      const texts = [alert.issuer, JSON.stringify(alert), JSON.stringify(lesson)]
      const { id } = sql
        .exec<{ id: number }>('INSERT INTO alerts VALUES (NULL, ?, ?, ?) RETURNING id', ...texts)
        .one()
      const last = 'SELECT id FROM alerts WHERE issuer = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2'
      const old = "id < ?4 AND json_extract(alert, '$.at') < ?3"
      const where = `issuer = ?1 AND (id <= (${last}) OR (${old}))`
      const bound = [alert.issuer, KEPT.alerts, Date.now() - KEPT.ms, id]
      sql.exec(`DELETE FROM alerts WHERE ${where}`, ...bound)
      return { ...alert, id }
    },

    change({ id, ...alert }: Alert): void {
      sql.exec('UPDATE alerts SET alert = ? WHERE id = ?', JSON.stringify(alert), id)
    },

    /** Notes in all open alerts with this quarantine that it is lifted. */
    lift({ issuer }: Alert, quarantine: string): void {
      const set = `alert = json_patch(alert, '{"quarantine":{"lifted":true}}')`
      const where = `issuer = ? AND json_extract(alert, '$.quarantine.id') = ?
        AND json_extract(alert, '$.verdict') IS NULL`
      sql.exec(`UPDATE alerts SET ${set} WHERE ${where}`, issuer, quarantine)
    },

    find(id: number): Alert | undefined {
      const [row] = sql.exec<Row>('SELECT id, alert FROM alerts WHERE id = ?', id)
      return row && alertOf(row)
    },

    lessonOf(id: number): Found['lesson'] {
      const query = 'SELECT lesson FROM alerts WHERE id = ?'
      return JSON.parse(sql.exec<{ lesson: string }>(query, id).one().lesson)
    },

    /** A page of alerts, the latest first. */
    list({ issuer, open, limit, cursor }: AlertQuery): AlertPage {
      const where = [
        'id < ?',
        ...(issuer === undefined ? [] : ['issuer = ?']),
        ...(open ? ["json_extract(alert, '$.verdict') IS NULL"] : []),
      ].join(' AND ')
      const bound = [cursor ?? Number.MAX_SAFE_INTEGER, ...(issuer === undefined ? [] : [issuer])]
      const query = `SELECT id, alert FROM alerts WHERE ${where} ORDER BY id DESC LIMIT ?`
      const rows = sql.exec<Row>(query, ...bound, limit + 1).toArray()
      const alerts = rows.slice(0, limit).map(alertOf)
      const last = rows.length > limit ? alerts.at(-1) : undefined
      return { alerts, ...(last && { cursor: last.id }) }
    },
  }
}

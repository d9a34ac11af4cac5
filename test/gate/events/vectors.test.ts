import { expect, it } from 'vitest'
import { securityEvent } from '../../../src/gate/events/set.ts'

/** Examples as they are published, without the members that decide nothing. */
const SCHEMAS = 'https://schemas.openid.net/secevent/'
const CAEP = `${SCHEMAS}caep/event-type/`
const SUBJECT = 'jane.smith@example.com'
const IDP = 'https://idp.example.com/123456789/'
const OTHER = 'https://idp.example.com/3456789/'
const ISSUING = 'https://idp.example.com/987654321/'
const jane = (iss: string) => ({ format: 'iss_sub', iss, sub: SUBJECT })
const tenant = { format: 'opaque', id: '123456789' }
const device = { format: 'iss_sub', iss: IDP, sub: 'e9297990-14d2-42ec-a4a9-4036db86509a' }
const ABOUT_JANE = { kind: 'subject', issuer: OTHER, value: SUBJECT }

it.each<
  [
    source: string,
    iss: string,
    subId: object | undefined,
    uri: string,
    event: object,
    read: object | undefined,
  ]
>([
  [
    'CAEP 1.0 §3.1.2, user, device and tenant',
    IDP,
    { format: 'complex', user: jane(IDP), device, tenant },
    `${CAEP}session-revoked`,
    { initiating_entity: 'policy', event_timestamp: 1615304991 },
    { isAlarming: true, subject: { ...ABOUT_JANE, issuer: IDP } },
  ],
  [
    'CAEP 1.0 §3.2.2, an ID token',
    ISSUING,
    { format: 'jwt_id', iss: ISSUING, jti: 'f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7' },
    `${CAEP}token-claims-change`,
    { claims: { role: 'ro-admin' } },
    {
      isAlarming: true,
      subject: { kind: 'token', issuer: ISSUING, value: 'f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7' },
    },
  ],
  [
    'CAEP 1.0 §3.2.2, a SAML assertion: names nobody whom the gate knows',
    ISSUING,
    { format: 'saml_assertion_id', issuer: ISSUING, assertion_id: '_a75adf55-01d7-dbd8372ebdfc' },
    `${CAEP}token-claims-change`,
    { claims: { 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/role': 'ro-admin' } },
    { isAlarming: true, subject: undefined, session: undefined },
  ],
  [
    'CAEP 1.0 §3.3.2, a new authenticator',
    OTHER,
    jane(OTHER),
    `${CAEP}credential-change`,
    { credential_type: 'fido2-roaming', change_type: 'create', initiating_entity: 'user' },
    { isAlarming: false, subject: ABOUT_JANE },
  ],
  [
    'CAEP 1.0 §3.4.2, an increase',
    OTHER,
    jane(OTHER),
    `${CAEP}assurance-level-change`,
    {
      ...{ namespace: 'NIST-AAL', current_level: 'nist-aal2', previous_level: 'nist-aal1' },
      change_direction: 'increase',
    },
    { isAlarming: false, subject: ABOUT_JANE },
  ],
  [
    'CAEP 1.0 §3.4.2, a level of its own without a direction',
    OTHER,
    jane(OTHER),
    `${CAEP}assurance-level-change`,
    { namespace: 'Retinal Scan', current_level: 'hi-res-scan' },
    { isAlarming: true, subject: ABOUT_JANE },
  ],
  [
    'CAEP 1.0 §3.5.2, a device and a tenant: names nobody whom the gate knows',
    IDP,
    { format: 'complex', device, tenant },
    `${CAEP}device-compliance-change`,
    { current_status: 'not-compliant', previous_status: 'compliant' },
    { isAlarming: true, subject: undefined, session: undefined },
  ],
  [
    'developers.google.com/identity/protocols/risc: the subject is inside the event',
    'https://accounts.google.com/',
    undefined,
    `${SCHEMAS}risc/event-type/account-disabled`,
    {
      subject: {
        ...{ subject_type: 'iss-sub', iss: 'https://accounts.google.com/' },
        sub: '7375626A656374',
      },
      reason: 'hijacking',
    },
    undefined,
  ],
])('%s', (_, iss, sub_id, uri, event, read) => {
  const claims = {
    ...{ iss, jti: '24c63fb56e5a2d77a6b512616ca9fa24', iat: 1615305159 },
    ...{ aud: 'https://sp.example.com/caep', txn: '8675309' },
    ...(sub_id && { sub_id }),
    events: { [uri]: event },
  }
  const found = securityEvent(claims)
  if (read === undefined) expect(found).toBeUndefined()
  else {
    const { subject, session, isAlarming } = found ?? {}
    expect({ uri: found?.uri, txn: found?.txn, subject, session, isAlarming }).toEqual({
      ...{ uri, txn: '8675309', subject: undefined, session: undefined },
      ...read,
    })
  }
})

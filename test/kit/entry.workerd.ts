/** The Worker of the tests inside workerd: with the class of approvals, which no entry has until a rule can ask for one. */
export { ApprovalStore } from '../../src/gate/approvals/object/object.ts'
export * from '../../src/worker.ts'
export { default } from '../../src/worker.ts'

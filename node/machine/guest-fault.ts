/** The guest asked for something that cannot be: thrown through it by an import, and its machine is dead. */
export class GuestFault extends Error {
  override readonly name = "GuestFault";
}

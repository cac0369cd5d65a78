-- Gives a team credits; how many it has available then.
create or replace function wallet_grant(team uuid, amount bigint, reason text) returns bigint language plpgsql as $$
declare
  wallet record := wallet_open(team);
begin
  perform wallet_transfer(wallet.granted, wallet.available, amount, 'grant', reason);
  return wallet.credits + amount;
end;
$$;

import time
from tests.integration.test_reload import *
def test_x(live, start_sidecar):
    s=start_sidecar(); john=live.user("john")
    tls=s.tls()
    def status(): return s.call("GET", "/toggle", token=john).status
    denying = POLICY.replace('!= "forbidden"', 'in {"orders"}')
    ds=[]
    with a_load(s, john) as load:
      for policy, wanted in ((denying, 403), (POLICY, 200))*20:
        s.write_policy(policy); ds.append(round(until(lambda: status()==wanted, 40),2))
        if ds[-1]>2: break
    print(ds)
    assert 0

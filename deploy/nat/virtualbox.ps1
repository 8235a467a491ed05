#Requires -Version 5.1
# On a Windows host with VirtualBox: forwards port 12345 of the host to the same port of the VM, by a rule of
# VirtualBox's own NAT. On a Linux or macOS host, virtualbox.sh does the same.
# Windows and VirtualBox can't run on the project's test machines. The tests only parse this script, and compare its
# command lines with those that virtualbox.sh gives to a stand-in for VBoxManage.

# Not Write-Output: Read-CommandLine would return the text to its caller
function Write-Help {
    Write-Host @'
Usage: virtualbox.ps1 apply|status|undo [--vm NAME] [--port N] [--address ADDRESS] [--dry-run]

Run it on the host, as the user who made the VM, not as administrator:
  powershell -ExecutionPolicy Bypass -File deploy\nat\virtualbox.ps1 apply
  apply    forward port 12345 of this host to port 12345 of the VM, now and after every restart
  status   say whether that rule is there, and whether the server answers through it
  undo     remove the rule

  --vm NAME          the VM, by name or UUID; not needed if there is only one, or only one is running
  --port N           the port, on this host and in the VM (12345)
  --address ADDRESS  IPv4 address of this host to listen on (every address)
  --dry-run          show what apply or undo would run, and change nothing

-Vm, -Port, -Address and -DryRun mean the same.
Exit code: 0 fine, 1 not active or failed, 2 wrong command line.
'@
}

# --- from deploy/nat/common.ps1 ---
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false # PowerShell 7 would add its own lines to a program's failure
$ScriptName = $MyInvocation.MyCommand.Name

function Stop-Script([int] $Code, [string] $Text) {
    [Console]::Error.WriteLine("${ScriptName}: $Text")
    exit $Code
}

function Stop-Usage([string] $Text) { Stop-Script 2 "$Text; see $ScriptName --help" }

# Reads the command line itself: so both --dry-run and -DryRun work, like in the scripts for Linux
function Read-CommandLine([object[]] $Words, [string[]] $Values, [string[]] $Switches) {
    $found = @{ action = '' }
    foreach ($key in $Values) { $found[$key] = '' }
    foreach ($key in $Switches) { $found[$key] = $false }
    for ($i = 0; $i -lt $Words.Count; $i++) {
        $word = [string] $Words[$i]
        $key = ($word -replace '-', '').ToLowerInvariant()
        if ($word -notmatch '^-') {
            if (@('apply', 'status', 'undo') -notcontains $key) { Stop-Usage "$word is not an action" }
            if ($found['action'] -ne '') { Stop-Usage 'say only one of apply, status and undo' }
            $found['action'] = $key
        }
        elseif (@('help', 'h', '?') -contains $key) { Write-Help; exit 0 }
        elseif ($Switches -contains $key) { $found[$key] = $true }
        elseif ($Values -contains $key) {
            $i++
            if ($i -lt $Words.Count) { $found[$key] = [string] $Words[$i] }
            if ($found[$key] -eq '') { Stop-Usage "$word needs a value" }
        }
        else { Stop-Usage "$word is not an option" }
    }
    if ($found['action'] -eq '') { Stop-Usage 'say what to do: apply, status or undo' }
    if ($found['port'] -eq '') { $found['port'] = '12345' }
    if ($found['port'] -notmatch '^[1-9][0-9]{0,4}$' -or [int] $found['port'] -gt 65535) {
        Stop-Usage "--port $($found['port']): a whole number from 1 to 65535 is needed"
    }
    if ($found['address'] -ne '' -and -not (Test-IPv4 $found['address'])) {
        Stop-Usage "--address $($found['address']): an IPv4 address of this host is needed, like 10.0.108.42"
    }
    return $found
}

function Test-IPv4([string] $Text) {
    return $Text -match '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.|$)){4}$' -and $Text -notmatch '\.$'
}

# Run a program; return its exit code and its lines as text. Without the local preference, PowerShell 5.1 would end
# this script at the first line on standard error.
function Invoke-Tool([string] $Program, [string[]] $Words) {
    $ErrorActionPreference = 'Continue'
    $lines = @(& $Program $Words 2>&1 | ForEach-Object { [string] $_ })
    return @{ Code = $LASTEXITCODE; Lines = $lines }
}

# Run a program that changes something, or only show it
function Invoke-Change([string] $Program, [string[]] $Words, [string] $Hint) {
    $line = "$([IO.Path]::GetFileNameWithoutExtension($Program)) $($Words -join ' ')"
    if ($options['dryrun']) {
        Write-Output "+ $line"
        return
    }
    $done = Invoke-Tool $Program $Words
    if ($done['Code'] -ne 0) {
        $said = @($done['Lines'] | Where-Object { $_ -match '\S' }) + @('no reason given')
        Stop-Script 1 "$line failed: $($said[0].Trim()); $Hint"
    }
}

# Whether the ClassCord server answers there. An open port proves nothing: a forwarder accepts even without a server.
function Test-Answer([string] $At, [int] $Port) {
    $client = New-Object Net.Sockets.TcpClient
    try {
        $client.SendTimeout = 3000
        $client.ReceiveTimeout = 3000
        if (-not $client.ConnectAsync($At, $Port).Wait(3000)) { return $false } # Connect waits for up to 21 seconds
        $stream = $client.GetStream()
        $ping = [Text.Encoding]::ASCII.GetBytes('{"type":"ping"}' + "`n")
        $stream.Write($ping, 0, $ping.Length)
        $reader = New-Object IO.StreamReader($stream)
        return [bool] ($reader.ReadLine() -match '"(pong|server_full)"')
    }
    catch { return $false }
    finally { $client.Close() }
}

# Windows reserves ranges of ports for Hyper-V, WSL and Docker: no program may listen there. Returns the range around
# the port, or nothing. netsh marks with * the ranges that a person has set aside; programs may listen there. Its words
# are in the language of Windows, so this reads only numbers. Both scripts listen on IPv4 only.
function Find-Reservation([int] $Port) {
    $shown = Invoke-Tool 'netsh' @('interface', 'ipv4', 'show', 'excludedportrange', 'protocol=tcp')
    foreach ($line in $shown['Lines']) {
        if ($line -match '^\s*(\d+)\s+(\d+)\s*$' -and [int] $Matches[1] -le $Port -and $Port -le [int] $Matches[2]) {
            return "$($Matches[1]) to $($Matches[2])"
        }
    }
    return ''
}

# If Windows reserves the port, say what to type, and what to do then
function Show-Reservation([int] $Port, [string] $Then) {
    $range = Find-Reservation $Port
    if ($range -eq '') { return }
    Write-Output "Windows reserves the ports $range, so nothing can listen on port $Port. As administrator, type:"
    Write-Output '    net stop winnat'
    $only = "startport=$Port numberofports=1"
    Write-Output "    netsh int ipv4 add excludedportrange protocol=tcp $only store=persistent"
    Write-Output '    net start winnat'
    Write-Output "Then $Then. Between the first line and the third, WSL and Hyper-V have no network."
}

function Test-Listener { return [bool] (Get-NetTCPConnection -LocalPort $port -State Listen -ErrorAction SilentlyContinue) }

# What was seen, what remains, and the one place to look at next: the VM ($Place is vm, $Port its port), a desk, or this
# host. Host and VM must not send a person to each other for ever.
function Show-Next([string] $Place, [string] $Seen, [string] $Rest, [string] $Port) {
    Write-Output "Seen: $Seen. What remains: $Rest."
    if ($Place -eq 'desk') { Write-Output "Next, once, unless you come from there, at a desk: sh doctor.sh --from-slam ADDRESS_OF_THIS_HOST --port $Port" }
    elseif ($Place -eq 'host') { Write-Output 'Next: repair what is named above, then status again.' }
    else {
        Write-Output "Next, once, unless you come from there, in the VM: sudo make doctor PORT=$Port"
        Write-Output "If nothing is broken there, don't come back: look at the last of what remains."
    }
}

function Test-FirewallRule([string] $Rule) {
    return (Invoke-Tool 'netsh' @('advfirewall', 'firewall', 'show', 'rule', "name=$Rule"))['Code'] -eq 0
}
# --- end of deploy/nat/common.ps1 ---

$Rule = 'classcord'
$again = 'shut the VM down and start it: VirtualBox opens the port at its start'
$nat = ("VirtualBox's NAT, which an update of Windows may have broken (KB5089466 and KB5120994 did): a bridged " +
    'adapter goes around it (see CONTAINERS.md, VirtualBox)')

function Find-VBoxManage {
    $command = Get-Command -Name 'VBoxManage' -CommandType Application -ErrorAction SilentlyContinue |
        Select-Object -First 1
    if ($command) { return $command.Path }
    foreach ($folder in @($env:VBOX_MSI_INSTALL_PATH, "$env:ProgramFiles\Oracle\VirtualBox")) {
        if ($folder -and (Test-Path -LiteralPath "$folder\VBoxManage.exe")) { return "$folder\VBoxManage.exe" }
    }
    Stop-Script 1 'VBoxManage is not on this machine; run this on the host, where VirtualBox is installed'
}

# Between 7.2.0 and 7.2.6, connections through the NAT break
function Show-Version {
    foreach ($line in (Invoke-Tool $vboxmanage @('--version'))['Lines']) {
        if ($line -match '^7\.2\.[0-7](?!\d)') {
            Write-Output ("VirtualBox $($Matches[0]) may reset or refuse the connections that it forwards: " +
                'install 7.2.8 or later, or go around its NAT with a bridged adapter (see CONTAINERS.md, VirtualBox)')
        }
    }
}

# The VMs in a list (vms or runningvms)
function Get-Vms([string] $List) {
    foreach ($line in (Invoke-Tool $vboxmanage @('list', $List))['Lines']) {
        if ($line -match '^"(.*)" \{(.*)\}') { Write-Output @{ Name = $Matches[1]; Uuid = $Matches[2] } }
    }
}

function Stop-NoVm {
    Stop-Script 1 "VirtualBox has no VM of user $env:USERNAME; run this as the user who made the VM, not as administrator"
}

# The name or UUID of the VM. VirtualBox itself matches names, with any letters in them
function Find-Vm {
    if ($options['vm'] -ne '') { return $options['vm'] }
    $all = @(Get-Vms 'vms')
    $running = @(Get-Vms 'runningvms')
    if ($all.Count -eq 0) { Stop-NoVm }
    if ($all.Count -eq 1) { return $all[0]['Uuid'] }
    if ($running.Count -eq 1) { return $running[0]['Uuid'] }
    $names = @($all | ForEach-Object { '"' + $_['Name'] + '"' }) -join ', '
    Stop-Script 1 "there are several VMs; say which one with --vm: $names"
}

# VirtualBox's facts about the VM: Values by key, and Rules, its port forwardings
function Read-Vm([string] $Vm) {
    $info = Invoke-Tool $vboxmanage @('showvminfo', $Vm, '--machinereadable')
    if ($info['Code'] -ne 0) {
        $all = @(Get-Vms 'vms')
        if ($all.Count -eq 0) { Stop-NoVm }
        $names = @($all | ForEach-Object { '"' + $_['Name'] + '"' }) -join ', '
        Stop-Script 1 "no VM is called ""$Vm""; the VMs are: $names"
    }
    $values = @{}
    $rules = @()
    $adapter = ''
    foreach ($line in $info['Lines']) {
        if ($line -match '^(natnet|nic)(\d+)=') { $adapter = $Matches[2] }
        if ($line -match '^Forwarding\(\d+\)="(.*)"$') {
            $parts = $Matches[1].Split(',')
            $rules += @{
                Adapter = $adapter; Name = $parts[0]; Protocol = $parts[1]; Address = $parts[2]; Port = $parts[3]
                Text = $Matches[1]
            }
        }
        elseif ($line -match '^([\w-]+)="(.*)"$' -and -not $values.ContainsKey($Matches[1])) {
            $values[$Matches[1]] = $Matches[2]
        }
    }
    return @{ Values = $values; Rules = $rules }
}

# The number of the first adapter of this kind, or nothing
function Find-Adapter([string] $Kind) {
    foreach ($number in @(1, 2, 3, 4, 5, 6, 7, 8)) { if ($vm['Values']["nic$number"] -eq $Kind) { return [string] $number } }
    return ''
}

function Stop-NoNat {
    $name = $vm['Values']['name']
    $hangs = Find-Adapter 'natnetwork'
    if ($hangs -ne '') {
        $network = $vm['Values']["nat-network$hangs"]
        Stop-Script 1 ("""$name"" is connected to a NAT network, which has its own rules: " +
            "VBoxManage natnetwork modify --netname $network --port-forward-4 '${Rule}:tcp:[]:${port}:[ADDRESS OF THE VM]:$port'")
    }
    if ((Find-Adapter 'bridged') -ne '') {
        Stop-Script 1 ("""$name"" is bridged: it has an address on the school's network, and needs no forwarding; " +
            'give the clients the address that hostname -I prints in the VM')
    }
    Stop-Script 1 ("no adapter of ""$name"" is NAT, so nothing can be forwarded to it; shut it down and type: " +
        "VBoxManage modifyvm $($vm['Values']['UUID']) --nic1 nat")
}

# The address that the VM sees for clients behind VirtualBox's NAT: the second of the NAT's network
function Show-Seen([string] $Adapter) {
    $network = [string] $vm['Values']["natnet$Adapter"]
    if ($network -eq '' -or $network -eq 'nat') { $network = "10.0.$([int] $Adapter + 1).0" }
    $parts = @(($network -replace '/.*', '').Split('.')) + @('0', '0', '0')
    Write-Output "The server will see $($parts[0]).$($parts[1]).$($parts[2]).$([int] $parts[3] + 2) for every client."
}

# Add or delete a rule: in the running VM (controlvm), or in the settings of one that is off
function Set-Forwarding([string] $Adapter, [string[]] $Words) {
    $uuid = $vm['Values']['UUID']
    $hint = 'is the VM starting or stopping? type the same again in a moment'
    if ($state -match 'saved$') { $hint = 'its state is saved: start the VM, then type the same again' }
    if ($live) { Invoke-Change $vboxmanage (@('controlvm', $uuid, "natpf$Adapter") + $Words) $hint }
    else { Invoke-Change $vboxmanage (@('modifyvm', $uuid, "--natpf$Adapter") + $Words) $hint }
}

function Remove-Ours { foreach ($each in $ours) { Set-Forwarding $each['Adapter'] @('delete', $Rule) } }

# VirtualBox accepts the connections itself, so Windows' firewall must allow VirtualBox. Only an administrator can
# change that, and VirtualBox should not run as administrator. So this only says what to type.
function Show-Firewall {
    $name = "classcord-$port"
    $refused = @(Get-NetFirewallRule -Direction Inbound -Action Block -Enabled True -ErrorAction SilentlyContinue |
            Where-Object { $_.DisplayName -like '*VirtualBox*' } | ForEach-Object { $_.DisplayName } |
            Select-Object -Unique)
    foreach ($each in $refused) {
        Write-Output ("The firewall refuses connections to ""$each""; in a PowerShell opened as administrator: " +
            "Remove-NetFirewallRule -DisplayName '$each'")
    }
    if (-not (Test-FirewallRule $name)) {
        Write-Output ('Allow VirtualBox if Windows asks; if it never asked, in a PowerShell opened as administrator: ' +
            "netsh advfirewall firewall add rule name=$name dir=in action=allow protocol=TCP localport=$port")
    }
}

# A rule in words for apply and status
function Get-Forwarding([string] $Text) {
    $parts = $Text.Split(',')
    $at = 'this host'
    if ($parts[2] -ne '') { $at = $parts[2] }
    return "port $($parts[3]) of $at goes to port $($parts[5]) of the VM"
}

# Other rules, made by hand, that use the same port of the host
function Get-OtherRules {
    foreach ($each in $vm['Rules']) {
        $overlaps = @('', '0.0.0.0', $address) -contains $each['Address'] -or $address -eq ''
        if ($each['Name'] -ne $Rule -and $each['Protocol'] -eq 'tcp' -and $each['Port'] -eq $port -and $overlaps) {
            Write-Output $each
        }
    }
}

function Invoke-Apply {
    if ($adapter -eq '') { Stop-NoNat }
    $wanted = "$Rule,tcp,$address,$port,,$port"
    $others = @(Get-OtherRules)
    if ($others.Count -gt 0) {
        $taker = $others[0]
        Stop-Script 1 ("the rule ""$($taker['Name'])"" of adapter $($taker['Adapter']) has port $port already; " +
            'remove it in VirtualBox (Settings, Network, Port Forwarding), or run the server on another port, ' +
            'and give that port with --port')
    }
    Show-Reservation $port $again
    $start = """$($vm['Values']['name'])"", adapter ${adapter}:"
    if ($ours.Count -eq 1 -and $ours[0]['Adapter'] -eq $adapter -and $ours[0]['Text'] -eq $wanted) {
        Write-Output "$start the rule $Rule is there already; $(Get-Forwarding $wanted)."
    }
    else {
        Remove-Ours
        Set-Forwarding $adapter @($wanted)
        if (-not $options['dryrun']) { Write-Output "$start rule $Rule set; $(Get-Forwarding $wanted)." }
    }
    if (-not $live) { Write-Output 'The VM is not running: the port opens when it starts.' }
    Show-Firewall
    Show-Seen $adapter
    if ((Find-Reservation $port) -ne '') { exit 1 }
}

function Show-Status {
    if ($adapter -eq '') { Stop-NoNat }
    $start = """$($vm['Values']['name'])"" ($state), adapter"
    if ($ours.Count -eq 0) {
        $call = "powershell -ExecutionPolicy Bypass -File ""$PSCommandPath"" apply --port $port"
        if ($options['vm'] -ne '') { $call += " --vm ""$($options['vm'])""" }
        Write-Output "$start ${adapter}: there is no rule $Rule; $call makes it."
        foreach ($each in @(Get-OtherRules)) { Write-Output "Another rule has port ${port}: $($each['Text'])." }
        Show-Next 'host' 'nothing forwards here' 'all of it' ''
        exit 1
    }
    $address = $ours[0]['Address']
    $port = $ours[0]['Port']
    $inner = $ours[0]['Text'].Split(',')[5]
    Write-Output "$start $($ours[0]['Adapter']): the rule $Rule is there; $(Get-Forwarding $ours[0]['Text'])."
    $at = '127.0.0.1'
    if ($address -ne '') { $at = $address }
    if (-not $live) { Write-Output 'The VM is not running: the port opens when it starts.' }
    Show-Reservation $port $again
    Show-Firewall
    if (-not $live) { Show-Next 'host' 'the rule is there, the VM is not running' 'the VM, and what comes after it' '' }
    elseif (Test-Answer $at $port) { Show-Next 'desk' "the server answers at $at port $port" 'a desk, then the network between' $port }
    elseif (Test-Listener) { Show-Next 'vm' "VirtualBox listens, and no server answers at $at port $port" "the VM, then $nat" $inner }
    else { Show-Next 'host' "the VM runs, but nothing listens on port $port of this host; $again" 'what comes after it' '' }
    Show-Seen $ours[0]['Adapter']
    if ((Find-Reservation $port) -ne '') { exit 1 }
}

function Invoke-Undo {
    $name = $vm['Values']['name']
    if ($ours.Count -eq 0) { Write-Output """$name"": there is no rule $Rule; nothing to do." }
    else {
        $port = $ours[0]['Port']
        Remove-Ours
        if (-not $options['dryrun']) { Write-Output """$name"": rule $Rule removed." }
    }
    if (Test-FirewallRule "classcord-$port") {
        Write-Output ("The firewall still has its rule; in a PowerShell opened as administrator: " +
            "netsh advfirewall firewall delete rule name=classcord-$port")
    }
}

try {
    $options = Read-CommandLine $args @('vm', 'port', 'address') @('dryrun')
    $port = $options['port']
    $address = $options['address']
    if ($address -eq '0.0.0.0') { $address = '' } # VirtualBox writes every address like this
    $vboxmanage = Find-VBoxManage
    $vm = Read-Vm (Find-Vm)
    $state = $vm['Values']['VMState']
    $live = @('running', 'paused') -contains $state
    $adapter = Find-Adapter 'nat'
    if ($options['action'] -ne 'undo') { Show-Version }
    $ours = @($vm['Rules'] | Where-Object { $_['Name'] -eq $Rule })
    if ($options['action'] -eq 'apply') { Invoke-Apply }
    elseif ($options['action'] -eq 'status') { Show-Status }
    else { Invoke-Undo }
}
catch {
    Stop-Script 1 $_.Exception.Message
}
exit 0
